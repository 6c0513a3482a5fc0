"""The TLS files of the configuration, as channels and servers take them. Called by all who open either."""

from cluster.config.config import Config
from router.channel import TlsFiles


def tls_files(config: Config) -> TlsFiles | None:
    tls = config.tls
    return None if tls is None else TlsFiles(tls.ca, tls.certificate, tls.key)
