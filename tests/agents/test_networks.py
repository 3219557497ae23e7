"""Networks: shapes, memory that is reset where an episode begins, seats that are told apart."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from agents.config import NetworkConfig, Torso
from agents.distributions import Categorical
from agents.errors import AgentError
from agents.networks import CentralCritic, PolicyNetwork
from envs.game import ArraySpec, Box, Discrete, GameSpec

T, B, H = 5, 3, 6
SMALL = NetworkConfig(hidden=(16,), channels=(4, 5))
BOARD = GameSpec(
    name="board",
    seats=("a", "b", "c"),
    teams={"all": (0, 1, 2)},
    observation=ArraySpec((2, 4, 5), "uint8"),
    actions=Discrete(7),
    slots=3,
    symmetric=False,
)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def observations(spec: GameSpec, *leading: int) -> Tensor:
    return torch.randint(0, 2, (*leading, *spec.observation.shape)).to(getattr(torch, spec.observation.dtype))


def never() -> Tensor:
    return torch.zeros(T, B, dtype=torch.bool)


def recurrent() -> PolicyNetwork:
    """With a policy head large enough to see differences."""
    network = PolicyNetwork(replace(SMALL, lstm=H), BOARD, seats_in_team=1, joint=False)
    torch.nn.init.normal_(network.policy.weight)
    return network


@pytest.mark.parametrize("lstm", [0, H])
@pytest.mark.parametrize("dtype", ["uint8", "bool", "float32", "float64"])
@pytest.mark.parametrize("torso", Torso)
def test_shapes_and_gradients(torso: Torso, dtype: str, lstm: int) -> None:
    spec = replace(BOARD, observation=ArraySpec((2, 4, 5), dtype))
    network = PolicyNetwork(replace(SMALL, torso=torso, lstm=lstm), spec, seats_in_team=1, joint=False)
    out = network(observations(spec, T, B), None, never(), network.initial_core(B))
    assert out.parameters.shape == (T, B, 7)
    assert out.value.shape == (T, B)
    assert out.parameters.dtype == out.value.dtype == torch.float32
    assert (out.core is None) if lstm == 0 else (out.core.shape == (B, 2, H))
    (out.parameters.square().sum() + out.value.sum()).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name


@pytest.mark.parametrize("shape", [(2, 4, 5), (4, 5, 2), (4, 5), (1, 1, 1), (3, 84, 84)])
@pytest.mark.parametrize("torso", [Torso.CONV, Torso.RESNET])
def test_pictures_of_any_layout_and_size(torso: Torso, shape: tuple[int, ...]) -> None:
    spec = replace(BOARD, observation=ArraySpec(shape, "uint8"))
    network = PolicyNetwork(replace(SMALL, torso=torso), spec, seats_in_team=1, joint=False)
    parameters, *_ = network.act_parameters(observations(spec, 2), None, None)
    assert parameters.shape == (2, 7)


def test_planes_may_come_first_or_last() -> None:
    first = PolicyNetwork(replace(SMALL, torso=Torso.CONV), BOARD, seats_in_team=1, joint=False)
    spec = replace(BOARD, observation=ArraySpec((4, 5, 2), "uint8"))
    last = PolicyNetwork(replace(SMALL, torso=Torso.CONV), spec, seats_in_team=1, joint=False)
    last.load_state_dict(first.state_dict())
    boards = observations(BOARD, B)
    expected = first.act_parameters(boards, None, None)[0]
    got = last.act_parameters(boards.permute(0, 2, 3, 1), None, None)[0]
    torch.testing.assert_close(got, expected)


def test_frames_are_scaled_and_boards_are_not() -> None:
    seen = {}
    for torso in (Torso.RESNET, Torso.CONV):
        network = PolicyNetwork(replace(SMALL, torso=torso), BOARD, seats_in_team=1, joint=False)
        network.features.torso.layers.register_forward_pre_hook(
            lambda _, arguments, torso=torso: seen.update({torso: arguments[0].max().item()})
        )
        network.act_parameters(torch.full((1, 2, 4, 5), 255, dtype=torch.uint8), None, None)
    assert seen == {Torso.RESNET: pytest.approx(1.0), Torso.CONV: 255.0}


@pytest.mark.parametrize("torso", [Torso.CONV, Torso.RESNET])
def test_a_torso_for_pictures_refuses_vectors(torso: Torso) -> None:
    spec = replace(BOARD, observation=ArraySpec((4,), "float32"))
    with pytest.raises(AgentError, match=rf"'{torso}' needs .* not of shape \(4,\); allowed here: 'mlp'"):
        PolicyNetwork(replace(SMALL, torso=torso), spec, seats_in_team=1, joint=False)


def test_a_torso_for_pictures_refuses_to_have_no_channels() -> None:
    with pytest.raises(AgentError, match="'conv' needs at least one"):
        PolicyNetwork(NetworkConfig(torso=Torso.CONV, channels=()), BOARD, seats_in_team=1, joint=False)


def test_at_first_all_choices_are_about_as_likely() -> None:
    network = PolicyNetwork(NetworkConfig(), BOARD, seats_in_team=1, joint=False)
    logits, *_ = network.act_parameters(observations(BOARD, 100), None, None)
    entropy = Categorical(7).entropy(logits, torch.ones(100, 7, dtype=torch.bool))
    torch.testing.assert_close(entropy, torch.full((100,), 7.0).log(), atol=1e-2, rtol=0)


@pytest.mark.parametrize("seed", range(3))
def test_memory_is_that_of_episodes_run_apart(seed: int) -> None:
    """A column that holds the end of one episode, a whole one and the start of a third."""
    network = recurrent()
    generator = torch.Generator().manual_seed(seed)
    boards = torch.randint(0, 2, (9, B, 2, 4, 5), generator=generator)
    core = torch.randn(B, 2, H, generator=generator)
    first = torch.zeros(9, B, dtype=torch.bool)
    first[[3, 7]] = True
    whole = network(boards, None, first, core)

    cores = [core, network.initial_core(B), network.initial_core(B)]
    parts = [
        network(part, None, torch.zeros(part.shape[:2], dtype=torch.bool), start)
        for part, start in zip(boards.split([3, 4, 2]), cores, strict=True)
    ]
    torch.testing.assert_close(whole.parameters, torch.cat([part.parameters for part in parts]))
    torch.testing.assert_close(whole.value, torch.cat([part.value for part in parts]))
    torch.testing.assert_close(whole.core, parts[-1].core)


def test_columns_are_reset_one_by_one() -> None:
    network = recurrent()
    boards, core = observations(BOARD, T, B), torch.randn(B, 2, H)
    first = never()
    first[2, 1] = True
    plain, reset = (network(boards, None, f, core).parameters for f in (never(), first))
    changed = (plain - reset).abs().amax(-1) > 1e-4
    expected = never()
    expected[2:, 1] = True
    assert torch.equal(changed, expected)


def test_a_first_row_forgets_the_core_it_was_given() -> None:
    network = recurrent()
    first = never()
    first[0] = True
    boards = observations(BOARD, T, B)
    a, b = (network(boards, None, first, torch.randn(B, 2, H)).parameters for _ in range(2))
    torch.testing.assert_close(a, b)


@pytest.mark.parametrize("lstm", [0, H])
@pytest.mark.parametrize("seats", [1, 3])
def test_acting_step_by_step_is_learning_on_whole_columns(seats: int, lstm: int) -> None:
    network = PolicyNetwork(replace(SMALL, lstm=lstm), BOARD, seats, joint=False)
    boards = observations(BOARD, T, B)
    seat = torch.randint(0, seats, (T, B)) if seats > 1 else None
    core = network.initial_core(B)
    whole = network(boards, seat, never(), core)
    for t in range(T):
        parameters, _, core = network.act_parameters(boards[t], None if seat is None else seat[t], core)
        torch.testing.assert_close(parameters, whole.parameters[t])


def test_seats_of_a_team_are_told_apart() -> None:
    network = PolicyNetwork(SMALL, BOARD, seats_in_team=3, joint=False)
    board = observations(BOARD, 1).expand(3, 2, 4, 5)
    parameters, *_ = network.act_parameters(board, torch.arange(3), None)
    assert len(parameters.unique(dim=0)) == 3
    with pytest.raises(ValueError, match="3 seats must be told the seat"):
        network.act_parameters(board, None, None)


def test_a_recurrent_network_wants_its_core() -> None:
    with pytest.raises(ValueError, match="must be given its core"):
        recurrent().act_parameters(observations(BOARD, 1), None, None)


def test_a_box_has_a_mean_from_the_network_and_a_learned_deviation() -> None:
    spec = replace(BOARD, actions=Box((-1.0, -1.0), (1.0, 1.0)))
    network = PolicyNetwork(SMALL, spec, seats_in_team=1, joint=False)
    with torch.no_grad():
        network.log_std.copy_(torch.tensor([0.5, -0.5]))
    out = network(observations(spec, T, B), None, never(), None)
    assert out.parameters.shape == (T, B, 4)
    assert (out.parameters[..., 2:] == torch.tensor([0.5, -0.5])).all()
    out.parameters[..., 2:].sum().backward()
    assert (network.log_std.grad == T * B).all()


def test_a_joint_team_leaves_the_value_to_its_critic() -> None:
    network = PolicyNetwork(SMALL, BOARD, seats_in_team=3, joint=True)
    out = network(observations(BOARD, T, B), torch.zeros(T, B, dtype=torch.int64), never(), None)
    assert out.value is None


@pytest.mark.parametrize("torso", Torso)
def test_a_central_critic_sees_what_every_seat_sees(torso: Torso) -> None:
    critic = CentralCritic(replace(SMALL, torso=torso), BOARD, seats_in_team=3)
    seen = observations(BOARD, T, B, 3)
    value = critic(seen)
    assert value.shape == (T, B)
    for seat in range(3):
        other = seen.clone()
        other[2, 1, seat] = 1 - other[2, 1, seat]
        expected = never()
        expected[2, 1] = True
        assert torch.equal((critic(other) - value).abs() > 1e-6, expected), f"seat {seat}"


@pytest.mark.parametrize("shape", [(9,), (2, 4, 5)])
def test_a_central_critic_prefers_the_global_state(shape: tuple[int, ...]) -> None:
    spec = replace(BOARD, state=ArraySpec(shape, "float32"))
    critic = CentralCritic(replace(SMALL, torso=Torso.CONV), spec, seats_in_team=3)
    assert critic(torch.randn(T, B, *shape)).shape == (T, B)


@pytest.mark.parametrize("lstm", [0, H])
@pytest.mark.parametrize("torso", Torso)
def test_half_precision_inside_gives_full_precision_outside(torso: Torso, lstm: int) -> None:
    network = PolicyNetwork(replace(SMALL, torso=torso, lstm=lstm), BOARD, seats_in_team=1, joint=False)
    critic = CentralCritic(replace(SMALL, torso=torso), BOARD, seats_in_team=3)
    boards, core = observations(BOARD, T, B), network.initial_core(B)
    full = network(boards, None, never(), core)
    with torch.autocast("cpu", torch.bfloat16):
        half = network(boards, None, never(), core)
        value = critic(observations(BOARD, T, B, 3))
    assert half.parameters.dtype == half.value.dtype == value.dtype == torch.float32
    assert lstm == 0 or half.core.dtype == torch.float32
    torch.testing.assert_close(half.parameters, full.parameters, atol=1e-2, rtol=0)
    torch.testing.assert_close(half.value, full.value, atol=0.1, rtol=0)
    assert not torch.equal(half.value, full.value)


def test_the_same_seed_gives_the_same_weights() -> None:
    def weights(seed: int) -> Tensor:
        torch.manual_seed(seed)
        network = PolicyNetwork(replace(SMALL, lstm=H), BOARD, seats_in_team=1, joint=False)
        return torch.nn.utils.parameters_to_vector(network.parameters())

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))
