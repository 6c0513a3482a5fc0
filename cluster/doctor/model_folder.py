"""Is the model whole: its checkpoint, its tokenizer, every byte of it? Asks no network.

Not here: whether it fits into memory (`room`).
"""

from importlib.util import find_spec
from pathlib import Path

from cluster.config.config import Config
from cluster.doctor.finding import Finding
from protos.errors import ExpertMeshError, HubOfflineError

_PULL = "fetch it with `expertmesh pull`, or copy the folder again"


def check_folder(config: Config) -> tuple[Finding, Path | None]:
    """-> and where it is."""
    from cluster.model_folder import find_model

    try:
        folder = find_model(config.model)
    except HubOfflineError as error:
        return Finding.wrong("model", str(error), f"expertmesh pull {config.model}"), None
    except ExpertMeshError as error:
        return Finding.wrong("model", str(error), "name the folder, or a model that was pulled"), None
    return Finding.ok("model", str(folder)), folder


def check_checkpoint(folder: Path) -> Finding:
    """Every tensor's name, shape and place; not what they hold."""
    if find_spec("torch") is None:
        return Finding.unchecked("checkpoint", "PyTorch is not here; the extra `model` brings it")
    from model.checkpoint import Checkpoint
    from model.checkpoint.fingerprint import fingerprint

    try:
        checkpoint = Checkpoint.open(folder)
        name = fingerprint(checkpoint)
    except ExpertMeshError as error:
        return Finding.wrong("checkpoint", str(error), _PULL)
    config = checkpoint.config
    return Finding.ok(
        "checkpoint",
        f"{config.num_layers} layers, {config.num_experts} experts, {len(checkpoint.tensors)} tensors; "
        f"fingerprint {name}",
    )


def check_tokenizer(folder: Path, config: Config) -> Finding:
    """As a gateway would."""
    if find_spec("llguidance") is None:
        return Finding.unchecked("tokenizer", "llguidance is not here; the extra `tokenizer` brings it")
    from cluster.serving.own_model import OwnModel

    try:
        own = OwnModel.open(folder, config)
    except ExpertMeshError as error:
        return Finding.wrong("tokenizer", str(error), "take tokenizer.json from the base model")
    size = own.tokenizer.vocab_size
    return Finding.ok("tokenizer", f"{size:,} tokens, harmony whole; fingerprint {own.vocabulary}")


def check_hashes(folder: Path) -> Finding:
    """Reads every byte, and compares it with what the hub published."""
    from model.hub.manifest import MANIFEST_NAME, read_manifest, verify

    try:
        if read_manifest(folder) is None:
            return Finding.unchecked(
                "hashes", f"there is no {MANIFEST_NAME}: the folder was not made by `expertmesh pull`"
            )
        manifest = verify(folder)
    except ExpertMeshError as error:
        return Finding.wrong("hashes", str(error), "`expertmesh pull` fetches what is damaged")
    return Finding.ok("hashes", f"{len(manifest.files)} files as {manifest.name} was published")
