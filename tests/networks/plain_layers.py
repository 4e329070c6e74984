"""Forward passes in plain numpy, entry by entry, written without a look at the library's."""

import itertools

import numpy as np


def linear(x, affine, w_std=1.0, b_std=0.0):
    """(w_std/√fan_in) x W + b_std b."""
    z = w_std / np.sqrt(x.shape[-1]) * (x @ affine.weights)
    return z if affine.biases is None else z + b_std * affine.biases


def windows(grid, shape, strides, padding):
    """Each place of the window, and the position that each entry of it sees: None for padding."""
    places = [
        (g - f) // s + 1 if padding == "VALID" else int(np.ceil(g / s))
        for g, f, s in zip(grid, shape, strides, strict=True)
    ]
    for place in np.ndindex(*places):
        seen = {}
        for tap in np.ndindex(*shape):
            position = []
            for axis in range(len(grid)):
                padded = (places[axis] - 1) * strides[axis] + shape[axis] - grid[axis]
                left = 0 if padding == "VALID" else max(0, padded) // 2
                position.append(place[axis] * strides[axis] + tap[axis] - left)
            if padding == "CIRCULAR":
                position = [p % g for p, g in zip(position, grid, strict=True)]
            inside = all(0 <= p < g for p, g in zip(position, grid, strict=True))
            seen[tap] = tuple(position) if inside else None
        yield place, seen


def conv(x, affine, shape, strides, padding, w_std=1.0, b_std=0.0):
    """Σ over the filter of x at each of its positions times its matrix of weights."""
    channels, width = x.shape[-1], affine.weights.shape[-1]
    matrices = affine.weights.reshape(*shape, channels, width)
    found = {}
    for place, seen in windows(x.shape[1:-1], shape, strides, padding):
        found[place] = sum(
            x[(slice(None), *position)] @ matrices[tap]
            for tap, position in seen.items()
            if position is not None
        )
    z = w_std / np.sqrt(np.prod(shape) * channels) * gathered(found)
    return z if affine.biases is None else z + b_std * affine.biases


def average(x, shape, strides, padding):
    """Means over a window, padding counted as 0."""
    return gathered(
        {
            place: sum(x[(slice(None), *p)] for p in seen.values() if p is not None)
            / np.prod(shape)
            for place, seen in windows(x.shape[1:-1], shape, strides, padding)
        }
    )


def gathered(found):
    """An array [point, *place, channel] from one [point, channel] for each place."""
    sizes = [1 + max(place[axis] for place in found) for axis in range(len(next(iter(found))))]
    stacked = np.stack([found[place] for place in itertools.product(*map(range, sizes))], axis=1)
    return stacked.reshape(len(stacked), *sizes, -1)


def normalised(x, eps):
    """Over the last axis."""
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + eps)


def softmax(scores):
    """Over the last axis."""
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


MECHANISMS = {
    "softmax": softmax,
    "identity": lambda scores: scores,
    "relu": lambda scores: np.maximum(scores, 0),
    "abs": np.abs,
}


def attention(scored, valued, parameters, heads, mechanism, scaling, stds):
    """Of [point, position, channel], a point and a head at a time.

    parameters: weights of keys, of queries (None where they are the keys), values, readout; a
    head's columns lie next to each other. stds: of keys, queries, values, readout and bias.
    """
    keys, queries, values, out = parameters
    key_std, query_std, value_std, out_std, b_std = stds
    outputs = []
    for features, contents in zip(scored, valued, strict=True):
        of_heads = []
        for head in range(heads):
            k, q, v = (
                None if a is None else np.split(a.weights, heads, axis=1)[head]
                for a in (keys, queries, values)
            )
            root, width = np.sqrt(features.shape[-1]), k.shape[1]
            k_rows = key_std / root * features @ k
            q_rows = query_std / root * features @ (k if q is None else q)
            divisor = width if scaling == "linear" else np.sqrt(width)
            weights = MECHANISMS[mechanism](q_rows @ k_rows.T / divisor)
            of_heads.append(weights @ (value_std / np.sqrt(contents.shape[-1]) * contents @ v))
        outputs.append(linear(np.concatenate(of_heads, axis=-1), out, out_std, b_std))
    return np.stack(outputs)


def encoding_root(grid, decay):
    """A square root of the correlation exp(−decay r²) between positions."""
    places = np.array(list(np.ndindex(*grid)))
    squared = ((places[:, None] - places[None]) ** 2).sum(-1)
    values, vectors = np.linalg.eigh(np.exp(-decay * squared))
    return vectors * np.sqrt(np.maximum(values, 0))
