"""What loads cost and how imbalance is reckoned, by hand."""

from router.expert_loads import ExpertLoad, LoadCost, even_costs, imbalance, layer_loads
from router.placement import Placement

PLACEMENT = Placement(0, ("w0", "w1", "w2"), (((0,), (1,), (0, 1)), ((2,), (2,), ())))


def test_an_activation_weighs_besides_its_tokens() -> None:
    loads = [[ExpertLoad(10, 1), ExpertLoad(1, 10), ExpertLoad()]]
    assert LoadCost(of_activation=5.0, of_token=2.0).table(loads) == [[25.0, 52.0, 0.0]]


def test_replicas_share_and_the_busiest_worker_of_each_layer_counts() -> None:
    costs = [[3.0, 1.0, 4.0], [2.0, 5.0, 6.0]]
    assert layer_loads(PLACEMENT, costs) == [[5.0, 3.0, 0.0], [0.0, 0.0, 7.0]]
    assert imbalance(PLACEMENT, costs) == (5 + 7) / ((8 + 7) / 3)


def test_without_any_load_all_is_even() -> None:
    assert imbalance(PLACEMENT, [[0.0] * 3] * 2) == 1.0
    assert even_costs(2, 3) == [[1.0] * 3] * 2
