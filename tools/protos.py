"""`make protos` writes protos/gen anew from the .proto files.

protos/expertmesh/<area>/v1/<area>.proto becomes protos.gen.v1.<area>_pb2: protoc is told that the folder of
each area is protos/gen/v1, so the generated code finds itself under the name by which everybody imports it.
The price: a .proto file cannot import another of ours, and no two may have one name.
"""

import sys
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

SOURCES = "protos/expertmesh/*/v1/*.proto"
PACKAGE = "protos/gen/v1"
GENERATED = ("*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py")


def generate(root: Path, target: Path) -> list[Path]:
    """Write what becomes of the .proto files under `root` into `target`/protos/gen/v1; -> all of it."""
    sources = sorted(root.glob(SOURCES))
    package = target / PACKAGE
    package.mkdir(parents=True, exist_ok=True)
    for file in generated(target):
        file.unlink()  # its .proto may be gone
    folders = dict.fromkeys(source.parent for source in sources)
    outputs = [f"--{kind}_out={target}" for kind in ("python", "pyi", "grpc_python")]
    well_known = Path(grpc_tools.__file__).with_name("_proto")
    places = [f"-I{PACKAGE}={folder}" for folder in folders]
    if protoc.main(["protoc", *places, f"-I{well_known}", *outputs, *map(str, sources)]) != 0:
        raise SystemExit(f"protoc failed on {', '.join(map(str, sources))}; it says above where")
    return generated(target)


def generated(target: Path) -> list[Path]:
    """The generated files that are there, in order."""
    return sorted(file for pattern in GENERATED for file in (target / PACKAGE).glob(pattern))


def main() -> int:
    root = Path.cwd()
    files = generate(root, root)
    print(f"{PACKAGE}: {len(files)} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
