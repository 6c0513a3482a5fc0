import asyncio,sys,subprocess,time,threading
import benchmarks.gateway as g
with g.faces_of("benchmarks.instant_gateway") as f:
    f.over_http(64,200)
    pid=f.process._process.pid
    p=subprocess.Popen([".venv/bin/py-spy","record","-d","5","-r","400","-f","raw","-o","/tmp/prof.txt","-p",str(pid)],stdout=subprocess.DEVNULL,stderr=subprocess.DEVNULL)
    t=time.time()
    fn=getattr(f,sys.argv[1])
    while time.time()-t<6:
        s=fn(64,400); print(s.tokens_per_s)
    p.wait()
