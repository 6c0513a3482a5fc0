"""What the configuration says of limits arrives where they are kept."""

from cluster.config.config import GatewayLimits
from cluster.serving.parts import call_settings, response_settings
from gateway.calls.call_settings import CallSettings
from gateway.responses.response_settings import ResponseSettings


def test_defaults_are_the_gateways_own() -> None:
    limits = GatewayLimits()
    assert call_settings(limits) == CallSettings()
    assert response_settings(limits) == ResponseSettings()


def test_each_limit_arrives() -> None:
    limits = GatewayLimits(
        max_calls=11, max_unread=12, resume_s=13.0, keep_s=14.0, max_kept=15, stored_s=16.0, max_stored=17
    )
    calls, responses = call_settings(limits), response_settings(limits)
    assert (calls.max_calls, calls.max_unread, calls.max_kept) == (11, 12, 15)
    assert (calls.resume_s, calls.keep_ended_s) == (13.0, 14.0)
    assert (responses.keep_s, responses.max_responses) == (16.0, 17)
