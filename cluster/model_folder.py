"""Finds the folder of a model that a command was given, on this machine alone: nothing asks the network.

Not here: fetching (`expertmesh pull`), checking every byte (`expertmesh verify`), reading the checkpoint.
"""

from importlib.util import find_spec
from pathlib import Path

from protos.errors import ConfigError, HubOfflineError, MissingExtraError


def find_model(text: str) -> Path:
    """A folder as it is, or what `expertmesh pull` has brought under this name, with every file in place."""
    folder = Path(text)
    if folder.is_dir():
        return folder
    if folder.exists() or text.startswith(("/", "./", "../", "~")):
        state = "is not a folder" if folder.exists() else "does not exist"
        raise ConfigError(
            f"the model {text} {state}; name a model folder, or a model that `expertmesh pull` has fetched"
        )
    return _pulled(text)


def _pulled(text: str) -> Path:
    if find_spec("huggingface_hub") is None:
        raise MissingExtraError(
            f"{text} is not a folder, and finding a pulled model by its name needs the package "
            f"huggingface_hub: name the folder, or install ExpertMesh with its extra `hub`"
        )
    from model.hub.manifest import read_manifest
    from model.hub.reference import ModelReference
    from model.hub.settings import HubSettings
    from model.hub.store import cached_folder

    reference = ModelReference.parse(text)
    settings = HubSettings(offline=True)
    folder = cached_folder(reference, settings)
    manifest = read_manifest(folder) if folder else None
    if folder is None or manifest is None:
        raise HubOfflineError(
            f"there is no folder {text} here, and {settings.cache} holds no pulled {reference}; run "
            f"`expertmesh pull {text}` first, or name the folder of the model"
        )
    for file in manifest.files:
        path = folder / file.path
        if not path.is_file() or path.stat().st_size != file.num_bytes:
            raise HubOfflineError(
                f"{reference} is not whole in {folder}: {file.path} is missing or cut; run "
                f"`expertmesh pull {text}` to go on with it"
            )
    return folder
