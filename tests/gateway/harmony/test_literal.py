import pytest

from gateway.harmony.literal import literal


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1, "1"),
        (1.0, "1.0"),
        (-0.0, "-0.0"),
        (1e15, "1000000000000000.0"),
        (1e16, "1e16"),
        (-2.5e-7, "-2.5e-7"),
        (0.0001, "0.0001"),
        (0.00001, "0.00001"),
        (-1.25e-05, "-0.0000125"),
        (9.99e-06, "9.99e-6"),
        (2**64 - 1, "18446744073709551615"),
        (2**64, "1.8446744073709552e19"),
        (-(2**63) - 1, "-9.223372036854776e18"),
        (True, "true"),
        (None, "null"),
        ('é\n"\\\x07/', '"é\\n\\"\\\\\\u0007/"'),
        ({"b": [], "a": {"é": [1, "x"]}}, '{"b":[],"a":{"é":[1,"x"]}}'),
    ],
)
def test_values_are_written_as_the_format_writes_them(value: object, written: str) -> None:
    assert literal(value) == written
