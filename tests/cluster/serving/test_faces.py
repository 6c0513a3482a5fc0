"""What the configuration says of the HTTP face arrives there."""

from cluster.config.config import GatewayConfig, GatewayLimits
from cluster.serving.faces import http_settings
from gateway.http_face.settings import HttpSettings


def test_defaults_are_the_faces_own() -> None:
    assert http_settings(GatewayConfig()) == HttpSettings()


def test_origins_and_the_largest_body_arrive() -> None:
    gateway = GatewayConfig(cors_origins=("https://a.example", "*"), limits=GatewayLimits(max_body_mb=0.5))
    settings = http_settings(gateway)
    assert settings.cors_origins == ("https://a.example", "*")
    assert settings.max_body_bytes == 512 * 1024
