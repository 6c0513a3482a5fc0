"""Which pages there are, and what their commands take for granted. A page that is not here fails the test."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Need(StrEnum):
    """What is there before a page's first command."""

    HUB = "a hub on loopback that has the released models, each a tiny one in truth"
    PULLED = "gpt-oss-20b and gpt-oss-120b, pulled from there"
    SERVER = "`expertmesh serve` of the model, in single mode"


@dataclass(frozen=True, slots=True)
class Page:
    path: str
    needs: tuple[Need, ...] = ()
    has_mesh: bool = False


PAGES = (
    Page("README.md", (Need.HUB,)),
    Page("CONTRIBUTING.md"),
    Page("docs/README.md"),
    Page("docs/airgapped.md", (Need.HUB,)),
    Page("docs/api-grpc.md"),
    Page("docs/api-http.md"),
    Page("docs/architecture.md"),
    Page("docs/attention.md"),
    Page("docs/benchmarks.md"),
    Page("docs/cluster.md", has_mesh=True),
    Page("docs/commands.md"),
    Page("docs/config.md"),
    Page("docs/demo.md"),
    Page("docs/engine.md"),
    Page("docs/errors.md"),
    Page("docs/frames.md"),
    Page("docs/generate.md", (Need.HUB, Need.PULLED)),
    Page("docs/grpc.md", (Need.SERVER,)),
    Page("docs/harmony.md"),
    Page("docs/http.md", (Need.SERVER,)),
    Page("docs/kernels.md"),
    Page("docs/models.md", (Need.HUB, Need.PULLED)),
    Page("docs/operations.md"),
    Page("docs/performance.md"),
    Page("docs/plan.md"),
    Page("docs/pull.md", (Need.HUB,)),
    Page("docs/quickstart.md"),
    Page("docs/responses.md", (Need.SERVER,)),
    Page("docs/serving.md"),
    Page("docs/troubleshooting.md"),
)

NO_PAGES_FOR_USERS = {
    "CHANGELOG.md": "what changed; nobody follows it",
    "docs/log.md": "what was tried, with the commands of then",
    "docs/adr": "why things are so",
}


def unlisted(root: Path) -> list[str]:
    """Pages of the clone that are in neither list."""
    found = [*root.glob("*.md"), *root.glob("docs/**/*.md")]
    names = sorted(path.relative_to(root).as_posix() for path in found)
    known = {page.path for page in PAGES}
    outside = tuple(f"{name}/" for name in NO_PAGES_FOR_USERS)
    return [name for name in names if name not in known and not f"{name}/".startswith(outside)]
