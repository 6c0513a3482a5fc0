from benchmarks.model.orders import LogitsOrder, Order, TimeOrder, order_from_line, order_to_line
from benchmarks.model.workload import Workload


def test_orders_come_through_as_one_line() -> None:
    orders: list[Order] = [
        TimeOrder("ours", Workload.decode(4, 8)),
        LogitsOrder("transformers, float32", (5, 0, 7), "/tmp/a file"),
    ]
    for order in orders:
        line = order_to_line(order)
        assert "\n" not in line
        assert order_from_line(line) == order
