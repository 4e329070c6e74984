"""Kernels computed in tiles: the same to the last bit, half of a symmetric one, and traced."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bnnpost
from bnnpost.kernels import maps, tiles
from bnnpost.networks import Activation, Conv, Dense, Flatten, GlobalAvgPool, Reshape, Serial
from tests import processes
from tests.kernels import points

NUM, FEATURES = 40, 100
DENSE = points.network("relu", 2)
CONVOLUTION = Serial([Conv(1, (3,), b_std=0.1), Activation("erf"), Flatten(), Dense(1)])
POOLED = Serial([Conv(1, (3,)), Activation("relu"), GlobalAvgPool(), Dense(1)])
NETWORKS = {
    "dense": (DENSE, (FEATURES,)),
    "flat": (CONVOLUTION, (5, 3)),
    "pooled": (POOLED, (4, 2)),
}


def inputs(shape, count=NUM):
    """With a duplicate and an opposite one."""
    x = np.random.default_rng(0).normal(size=(count, *shape))
    x[5], x[7] = x[2], -x[2]
    return x


@pytest.fixture
def in_tiles(monkeypatch):
    """Sets the number of rows of a tile; gives the shapes of the tiles that are computed."""
    shapes = []
    whole = tiles.evaluated

    def counted(network, x1, x2, *others, **options):
        shapes.append((len(x1), len(x2)))
        return whole(network, x1, x2, *others, **options)

    def of(rows):
        monkeypatch.setattr(tiles, "rows_of_tile", lambda network, x: rows)
        counted.lower = whole.lower
        monkeypatch.setattr(tiles, "evaluated", counted)
        return shapes

    return of


@pytest.mark.first
@pytest.mark.parametrize("kernel", [bnnpost.nngp, bnnpost.ntk])
@pytest.mark.parametrize("other", [False, True], ids=["self", "cross"])
def test_tiles_give_the_same_bits(in_tiles, kernel, other):
    x = inputs((FEATURES,))
    x2 = x[::-1][:25] if other else None
    with jax.enable_x64(True):
        whole = np.asarray(kernel(DENSE, x, x2))
        shapes = in_tiles(16)
        tiled = np.asarray(kernel(DENSE, x, x2))
    assert shapes == [(16, 16)] * 6
    assert np.array_equal(tiled, whole)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("other", [False, True], ids=["self", "cross"])
@pytest.mark.each(3)
def test_both_kernels_of_one_pass_are_those_of_two(in_tiles, name, other):
    network, shape = NETWORKS[name]
    x = inputs(shape)
    x2 = x[::-1][:25] if other else None
    shapes = in_tiles(16)
    with jax.enable_x64(True):
        both = bnnpost.kernels(network, x, x2)
        assert shapes == [(16, 16)] * 6
        assert np.array_equal(both.nngp, bnnpost.nngp(network, x, x2))
        assert np.array_equal(both.ntk, bnnpost.ntk(network, x, x2))
    assert np.max(np.abs(both.ntk - both.nngp)) > 0.1


@pytest.mark.parametrize("name", ["flat", "pooled"])
def test_tiles_of_one_shape_give_the_same_bits_with_positions(in_tiles, name):
    # Sums over positions are rounded as the shape of a tile has it, and as nothing else has it.
    network, shape = NETWORKS[name]
    x = inputs(shape)
    with jax.enable_x64(True):
        whole = np.asarray(bnnpost.nngp(network, x))
        in_tiles(16)
        tiled = np.asarray(bnnpost.nngp(network, x))
        part = np.asarray(bnnpost.nngp(network, x[16:32]))
    assert np.array_equal(tiled[16:32, 16:32], part)
    assert np.allclose(tiled, whole, rtol=0, atol=1e-15 * np.max(whole))


def test_part_of_the_inputs_give_the_same_bits():
    x = inputs((FEATURES,))
    with jax.enable_x64(True):
        whole = np.asarray(bnnpost.nngp(DENSE, x))
        part = np.asarray(bnnpost.nngp(DENSE, x[:9]))
    assert np.array_equal(part, whole[:9, :9])


def test_the_last_bit_of_one_entry_is_seen():
    x = inputs((FEATURES,))
    with jax.enable_x64(True):
        whole = np.asarray(bnnpost.nngp(DENSE, x))
    changed = whole.copy()
    changed[3, 4] = np.nextafter(changed[3, 4], 1)
    assert not np.array_equal(changed, whole)
    assert not np.array_equal(changed, changed.T)


@pytest.mark.parametrize("rows", [7, 16, 17, 40, 100])
def test_half_of_a_symmetric_matrix_is_filled_from_above_its_diagonal(rows):
    matrix = np.random.default_rng(1).normal(size=(rows, rows))
    tiling = tiles.Tiling.of(rows, 16)
    sheet = tiles.Sheet(tiling, None, matrix.dtype)
    padded = np.pad(matrix, (0, tiling.tiles * tiling.size - rows))
    sheet.matrix[:] = np.nan
    for i, j in sheet.places():
        assert i <= j
        starts = i * tiling.size, j * tiling.size
        tile = padded[tuple(slice(start, start + tiling.size) for start in starts)]
        sheet.write((i, j), tile, np.arange(starts[0], starts[0] + tiling.size))
    expected = np.triu(matrix, 1)
    assert np.array_equal(sheet.matrix, expected + expected.T + np.diag(np.arange(rows)))


@pytest.mark.parametrize(("double", "dtype"), [(False, np.float32), (True, np.float64)])
def test_threads_follow_the_callers_precision(in_tiles, double, dtype):
    in_tiles(16)
    with jax.enable_x64(double):
        kernel = bnnpost.nngp(DENSE, inputs((FEATURES,)))
        assert kernel.dtype == dtype
        assert np.array_equal(kernel, kernel.T)


@pytest.mark.slow
def test_large_traced_kernels_go_a_few_rows_at_a_time(monkeypatch):
    x = inputs((3,), 10)

    def total(x, w_std):
        kernel = bnnpost.nngp(points.network("erf", 1, w_std=w_std), x)
        return jnp.sum(jnp.cos(jnp.arange(100.0)).reshape(10, 10) * kernel), kernel

    def found():
        # A function of its own, so that it is traced anew.
        traced = jax.jit(jax.grad(lambda *args: total(*args), argnums=(0, 1), has_aux=True))
        return traced(x, 1.2)

    with jax.enable_x64(True):
        (whole_x, whole_std), whole = found()
        monkeypatch.setattr(maps, "_IN_A_STEP", 30)
        (slope_x, slope_std), kernel = found()
    assert np.allclose(kernel, whole, rtol=1e-14)
    assert np.allclose(slope_x, whole_x, rtol=1e-12)
    assert np.allclose(slope_std, whole_std, rtol=1e-12)


def test_known_inputs_in_a_traced_function():
    x = inputs((3,), 10)
    network = points.network("erf", 1)
    with jax.enable_x64(True):
        twice = jax.jit(lambda factor: factor * bnnpost.nngp(network, x))(2.0)
        assert np.allclose(twice, 2 * bnnpost.nngp(network, x), rtol=1e-14)


def test_positions_are_counted_where_the_first_linear_layer_meets_them():
    x = np.zeros((2, 16))
    first, last = Reshape((4, 4, 1)), [Activation("relu"), GlobalAvgPool(), Dense(1)]
    pooled = Serial([first, Conv(1, (3, 3)), *last])
    flat = Serial([first, Conv(1, (3, 3)), Flatten(), Dense(1)])
    assert maps.covariances_a_pair(pooled, x) == 16**2
    assert maps.covariances_a_pair(flat, x) == 16
    assert maps.covariances_a_pair(DENSE, x) == 1
    assert maps.rows_of_tile(pooled, x) ** 2 * 16**2 <= 2**18


def test_library_calls_are_made_on_one_thread():
    def factored(u):
        return u * jnp.linalg.cholesky(jnp.eye(2))[0, 0]

    def threads(activation):
        network = points.network(activation, 1).at_width(1)
        cut = [np.zeros((8, 3))] * 2
        calls = tiles._Calls((network, None), (cut, cut), jax.local_devices()[:1], False)
        return calls.threads((0, 0))

    assert threads(factored) == 1
    assert threads("relu") == tiles.num_cores()


ON_TWO_DEVICES = """
import jax, numpy as np, bnnpost
from bnnpost.kernels import tiles
x = np.random.default_rng(0).normal(size=(40, 100))
network = bnnpost.mlp(depth=2, activation="relu", w_std=1.0, b_std=0.1)
used, whole = set(), tiles.evaluated
def watched(network, x1, *others, **options):
    used.update(x1.devices())
    return whole(network, x1, *others, **options)
with jax.enable_x64(True):
    one = np.asarray(bnnpost.nngp(network, x))
    tiles.rows_of_tile = lambda network, x: 16
    tiles.evaluated = watched
    two = np.asarray(bnnpost.nngp(network, x))
print(len(jax.local_devices()), len(used), np.array_equal(one, two))
"""


@pytest.mark.slow
def test_all_devices_are_used():
    flags = "--xla_force_host_platform_device_count=2"
    said = processes.output("-c", ON_TWO_DEVICES, variables={"XLA_FLAGS": flags})
    assert said.split() == ["2", "2", "True"]
