import asyncio,sys
from benchmarks.child_process import child
from benchmarks.stream_clients import *
import benchmarks.gateway as g
with g.faces_of(sys.argv[1]) as f:
    print(f.http, f.grpc)
    for _ in range(3):
        s=f.over_http(64,200); print("http",s.num_tokens, s.tokens_per_s, sorted(s.first_token_s)[len(s.first_token_s)//2])
        s=f.over_grpc(64,200); print("grpc",s.num_tokens, s.tokens_per_s, sorted(s.first_token_s)[len(s.first_token_s)//2])
