"""What a newcomer may rely on: floors that hold, a light gateway, short files that say what they are."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path, PurePosixPath

import pytest

from tools.check_links import Repository

ROOT = Path(__file__).parent.parent
IMPORT_LINTER = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
FLOORS = tuple(IMPORT_LINTER["root_packages"])
FOLDERS_OF_MODULES = {*FLOORS, "tools", "benchmarks", "examples"}

GENERATED = PurePosixPath("protos/gen/v1")
RESULTS = PurePosixPath("benchmarks/results")

MAX_LINES = 300
LONG_FILE_TO_REASON = {
    "docs/api-grpc.md": "made from the .proto files",
    "docs/api-http.md": "made from the OpenAPI description",
    "docs/log.md": "an entry for each experiment, none of which goes",
    "protos/errors.py": "one tree, and its drawing",
    "tests/clients_ts/package-lock.json": "npm writes it",
    "protos/expertmesh/inference/v1/inference.proto": "one service, and no .proto file imports another",
}

FLOORS_CONTRACT = "Floors: imports go down only"
GATEWAY_CONTRACT = "The gateway runs without torch, triton or ray"
PURITY_CONTRACT = "Kernels are pure tensor functions; the model is one process"
PROTOS_CONTRACT = "The contract needs no tensors and no cluster"
GENERATED_CONTRACT = "Generated code is for wire codecs, servicers and clients"
PURE_CONTRACT = "Decisions are pure"
VIOLATIONS = [
    ("router", "import cluster.cli", FLOORS_CONTRACT),
    ("kernels", "import protos.errors", FLOORS_CONTRACT),
    ("gateway", "import torch", GATEWAY_CONTRACT),
    ("gateway", "import model.weights", GATEWAY_CONTRACT),
    ("model", "import asyncio", PURITY_CONTRACT),
    ("kernels", "from google.protobuf import message", PURITY_CONTRACT),
    ("protos", "import ray", PROTOS_CONTRACT),
    ("router", "from protos.gen.v1 import expert_pb2", GENERATED_CONTRACT),
    ("cluster/controller/controller.py", "import protos.gen.v1.cluster_pb2", GENERATED_CONTRACT),
    ("workers/engine/scheduler.py", "import time", PURE_CONTRACT),
    ("workers/cache/prefix_index.py", "import torch", PURE_CONTRACT),
    ("workers/engine/choice.py", "import model.step_batch", PURE_CONTRACT),
    ("router/balance.py", "import time", PURE_CONTRACT),
    ("cluster/plan", "import workers.cache.sizing", PURE_CONTRACT),
    ("gateway/responses/response_writer.py", "import time", PURE_CONTRACT),
    ("gateway/responses/memory_store.py", "import asyncio", PURE_CONTRACT),
    ("gateway/harmony/parser.py", "import time", PURE_CONTRACT),
    ("gateway/harmony", "import asyncio", PURE_CONTRACT),
]


def broken_contracts(folder: Path) -> list[str]:
    """The contracts that lint-imports finds broken in a copy of the project; no verdict is an error."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    num_contracts = len(IMPORT_LINTER["contracts"])
    verdicts = re.findall(r"^(.+) (KEPT|BROKEN)(?: \(.+\))?$", done.stdout, flags=re.MULTILINE)
    assert len(verdicts) == num_contracts, done.stdout + done.stderr
    broken = [name for name, verdict in verdicts if verdict == "BROKEN"]
    assert bool(done.returncode) == bool(broken)
    return broken


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    for floor in FLOORS:
        shutil.copytree(ROOT / floor, tmp_path / floor, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_floors_hold(copied: Path) -> None:
    assert broken_contracts(copied) == []


@pytest.mark.parametrize(("place", "statement", "contract"), VIOLATIONS)
def test_a_forbidden_import_is_found(copied: Path, place: str, statement: str, contract: str) -> None:
    """In a new module of a floor, or at the end of a module that is named."""
    module = copied / place if place.endswith(".py") else copied / place / "violation.py"
    module.write_text((module.read_text() if module.exists() else "") + f"{statement}\n")
    assert broken_contracts(copied) == [contract]


def test_every_contract_is_tried() -> None:
    written = {contract["name"] for contract in IMPORT_LINTER["contracts"]}
    assert {name for _, _, name in VIOLATIONS} == written


BLOCKED = ("torch", "triton", "ray", "numpy")
BLOCK = f"""
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED}:
            raise ImportError(name + " is blocked")

sys.meta_path.insert(0, Refuse())
"""
IMPORT_ALL = """
import importlib, pkgutil
package = importlib.import_module("{package}")
for module in pkgutil.walk_packages(package.__path__, "{package}."):
    importlib.import_module(module.name)
"""


def run_without_tensors(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter in which torch, triton, ray and numpy cannot be imported."""
    command = [sys.executable, "-W", "error", "-c", BLOCK + code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("from cluster.cli import main; main(['--help'])", id="expertmesh --help"),
        pytest.param(IMPORT_ALL.format(package="gateway"), id="gateway"),
        pytest.param(IMPORT_ALL.format(package="model.tokenizer"), id="model.tokenizer"),
        pytest.param("import workers.grammar.compiler, workers.grammar.masks", id="grammars but for tensors"),
        pytest.param(IMPORT_ALL.format(package="protos"), id="protos"),
        pytest.param(IMPORT_ALL.format(package="cluster.plan"), id="cluster.plan"),
        pytest.param("import workers.attention.server", id="the attention service, but for an engine"),
        pytest.param(IMPORT_ALL.format(package="cluster.doctor"), id="cluster.doctor"),
        pytest.param("import cluster.serving.mesh_side", id="a gateway to a mesh"),
    ],
)
def test_it_runs_where_no_tensor_library_is_installed(code: str) -> None:
    done = run_without_tensors(code)
    assert done.returncode == 0, done.stderr


def test_the_block_blocks() -> None:
    assert "torch is blocked" in run_without_tensors(IMPORT_ALL.format(package="model")).stderr


@pytest.fixture(scope="module")
def repository() -> Repository:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout, so nothing says which files are the project's")
    return Repository.of_git(ROOT)


def test_files_are_short_or_listed_with_a_reason(repository: Repository) -> None:
    written = [file for file in repository.files if file.parent not in (GENERATED, RESULTS)]
    contents = {str(file): (ROOT / file).read_bytes() for file in written}
    texts = {name: content for name, content in contents.items() if b"\0" not in content}
    long_files = {name for name, content in texts.items() if content.count(b"\n") > MAX_LINES}
    assert long_files == LONG_FILE_TO_REASON.keys()


def test_every_module_says_what_it_is(repository: Repository) -> None:
    python = {path for path in repository.files if path.suffix == ".py" and path.parent != GENERATED}
    modules = {path for path in python if path.parts[0] in FOLDERS_OF_MODULES}
    assert PurePosixPath("cluster/cli.py") in modules
    silent = [str(path) for path in modules if not ast.get_docstring(ast.parse((ROOT / path).read_bytes()))]
    assert silent == []


def test_init_files_only_export(repository: Repository) -> None:
    inits = [path for path in repository.files if path.name == "__init__.py"]
    assert PurePosixPath("cluster/__init__.py") in inits
    busy = [str(path) for path in inits if not only_exports(ast.parse((ROOT / path).read_bytes()))]
    # What runs by `python -m` must set up OpenMP before it imports torch, and this is where Python begins.
    assert sorted(busy) == ["benchmarks/__init__.py", "examples/__init__.py"]


def only_exports(module: ast.Module) -> bool:
    """Whether nothing stands here but a docstring, imports of names, and `__all__`."""

    def is_export(statement: ast.stmt) -> bool:
        match statement:
            case ast.ImportFrom() | ast.Expr(value=ast.Constant(value=str())):
                return True
            case ast.Assign(targets=[ast.Name(id="__all__")]):
                return True
        return False

    return all(map(is_export, module.body))


@pytest.mark.parametrize("line", ["import os", "x = 1", "def f(): ...", "print('hello')", "__all__ += ['x']"])
def test_an_init_file_that_does_something_is_noticed(line: str) -> None:
    assert not only_exports(ast.parse(f'"""A floor."""\n{line}\n'))
    assert only_exports(ast.parse('"""A floor."""\nfrom model.config import X\n__all__ = ["X"]\n'))
