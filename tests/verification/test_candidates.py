"""Every form in which function values may come, and every one that must be refused."""

import dataclasses
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import bnnpost
from bnnpost.draws.info import ChainsInfo
from bnnpost.verification.answers import answer_of
from bnnpost.verification.candidates import candidate_of
from bnnpost.verification.columns import write_csv
from bnnpost.verification.sets import Candidate
from tests.samplers import cases
from tests.samplers.cases import X_TEST, Case, X

DRAWS = np.random.default_rng(0).normal(size=(2, 50, 5, 3))  # [chain, draw, point, output]
CHAINS, LENGTH = DRAWS.shape[:2]


def read(given, num_test=2, num_train=3, num_outputs=1, **options):
    return candidate_of(
        given, num_test=num_test, num_train=num_train, num_outputs=num_outputs, **options
    )


def at_test(outputs=1):
    return DRAWS[:, :, :2, :outputs]


def at_train(outputs=1):
    return DRAWS[:, :, 2:, :outputs]


def in_a_row(values):
    return values.reshape(1, -1, *values.shape[2:])


def assert_values(candidate, **expected):
    assert set(candidate.values) == set(expected)
    for name, values in expected.items():
        assert candidate.values[name].dtype == np.float64
        np.testing.assert_array_equal(candidate.values[name], values)


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("at", [at_test, at_train])
def test_arrays_by_their_shapes(outputs, at):
    values, name = at(outputs), "f" if at is at_test else "f_train"
    flat = in_a_row(values)
    assert_values(read(values, num_outputs=outputs), **{name: values})
    assert_values(read(flat[0], num_outputs=outputs), **{name: flat})
    if outputs == 1:
        assert_values(read(values[..., 0]), **{name: values})
        assert_values(read(flat[0, ..., 0].tolist()), **{name: flat})


def test_jax_arrays_in_single_precision():
    values = at_test().astype(np.float32)
    assert_values(read(jnp.asarray(values)), f=values)


def test_where_both_readings_fit_points_and_outputs_win():
    # [draw, 3 training points, 1 output], not [chain, 3 draws, 1 test point].
    values = DRAWS[0, :, :3, :1]
    assert_values(read(values, num_test=1), f_train=values[None])


def test_many_short_chains_are_doubted():
    turned = DRAWS[0, :, :4, :2]  # [draw, chain, point]
    assert "50 chains of 4 draws" in read(turned).notes[0]
    assert not read(at_test()).notes


def test_as_many_test_as_training_points_are_taken_for_test_points_with_a_note():
    candidate = read(at_test(), num_train=2)
    assert_values(candidate, f=at_test())
    assert "f_train" in candidate.notes[0]
    assert not read(at_test(), num_train=3).notes


@pytest.mark.parametrize("name", ["f", "f_test"])
def test_mappings(name):
    given = {name: at_test(), "f_train": at_train(), "loss": np.zeros(7)}
    candidate = read(given)
    assert_values(candidate, f=at_test(), f_train=at_train())
    assert any("loss" in note for note in candidate.notes)
    assert not candidate.independent and candidate.log_evidence is None


def test_an_f_that_fits_the_training_inputs_alone_is_taken_for_it():
    candidate = read({"f": at_train()})
    assert_values(candidate, f_train=at_train())
    assert "training" in candidate.notes[0]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (DRAWS[0, :, :4, 0], "2 test or 3 training inputs.*got shape"),
        (DRAWS[0, :, :2, :2], "1 output.*50, 2, 2"),
        (DRAWS[0, :, 2:, :2], "1 output.*50, 3, 2"),
        (DRAWS[0, :, :2, :3], "1 output.*50, 2, 3"),
        (DRAWS[0, :, 0, 0], "got shape"),
        ({"f": at_test(), "f_test": at_test()}, "mean the same"),
        ({"f": DRAWS[:, :, :4, :1]}, "2, 50, 4, 1"),
        ({"f_train": at_test()}, "3 training"),
        ({"a": at_test(), "b": at_test()}, "a .2, 50, 2, 1., b"),
        ({"a": np.zeros(3), "b": np.zeros(4)}, "a .3,., b"),
        ({}, "got nothing"),
        ({"f": at_test(), "f_train": in_a_row(at_train())}, "same draws"),
        (np.array([["x", "y"]]), "real numbers"),
        (at_test() + 1j, "real numbers"),
        (np.ma.masked_greater(at_test(), 1.0), "masked"),
        ([[1.0, 2.0], [1.0]], "real numbers"),
        (np.empty((0, 2)), "no draws"),
    ],
)
def test_what_does_not_fit_is_refused(given, words):
    with pytest.raises(ValueError, match=words):
        read(given)


def test_values_at_test_inputs_that_nobody_knows_are_refused():
    with pytest.raises(ValueError, match="pass x_test"):
        read({"f": at_test(), "f_train": at_train()}, num_test=None)
    with pytest.raises(ValueError, match=r"3 training inputs .*pass x_test"):
        read(at_test(), num_test=None)
    assert_values(read(at_train(), num_test=None), f_train=at_train())


def test_a_reference_without_values_at_training_inputs(draws):
    candidate = read({"f": at_test(), "f_train": at_train()}, num_train=0)
    assert_values(candidate, f=at_test())
    assert "f_train is not looked at" in candidate.notes[0]
    with pytest.raises(ValueError, match="has none at the training inputs"):
        read({"f_train": at_train()}, num_train=0)
    with pytest.raises(ValueError, match="2 test inputs and"):
        read(at_train(), num_train=0)
    for given in (draws, draws.to_arviz(X_TEST)):
        assert_values(read(given, num_train=0, x_test=X_TEST), f=draws.predict(X_TEST)[None])


@pytest.mark.parametrize("given", [None, 3.0, {1, 2}, Case().posterior(), lambda x: x])
def test_other_things_are_a_type_error(given):
    with pytest.raises((TypeError, ValueError), match="expected the candidate to"):
        read(given)


def changed(place, value):
    values = at_test().copy()
    values[place] = value
    return values


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (changed((1, 7, 1), np.nan), r"1 of 200 .*f\[1\] = nan in draw 7 of chain 1"),
        (changed((0, 3, 0), np.inf), r"f\[0\] = inf in draw 3 of chain 0"),
        (changed((slice(None), slice(None), 1), 0.25), r"the same in all draws.*f\[1\] = 0.25"),
        (changed((1, slice(None), slice(None)), 0.5), r"chain 1 .*f\[0\] = 0.5.* stuck"),
    ],
)
def test_values_that_no_statistic_can_be_taken_of_are_refused(given, words):
    with pytest.raises(ValueError, match=words):
        read(given)
    with pytest.raises(ValueError, match=words.replace("200", "500").replace("1 of 500", "1 of")):
        read({"f_train": at_train(), "f": given})


def test_short_chains_may_stand_still():
    values = at_test()[:, :9].copy()
    values[1] = values[1, 0]
    assert_values(read(values), f=values)


# Files


@pytest.fixture(params=["npz", "bare npz", "npy", "csv", "bare csv", "shuffled csv"])
def file(request, tmp_path):
    """A file of function values, and what it should be read as."""
    test, train = at_test(3), at_train(3)
    flat = in_a_row(test)
    path = tmp_path / f"values.{request.param.split()[-1]}"
    match request.param:
        case "npz":
            np.savez(path, f=test, f_train=train)
        case "bare npz":
            np.savez(path, test)
        case "npy":
            np.save(path, flat[0])
        case "csv":
            write_csv(path, {"f": test, "f_train": train})
        case "bare csv":
            np.savetxt(path, flat.reshape(CHAINS * LENGTH, -1), delimiter=",", fmt="%.17g")
        case "shuffled csv":
            write_csv(path, {"f_train": train, "f": test})
            header, *rows = path.read_text().splitlines()
            path.write_text("\n".join([header.replace('"', ""), *reversed(rows)]) + "\n")
    named = request.param in ("npz", "csv", "shuffled csv")
    bare = {"f": flat if request.param in ("npy", "bare csv") else test}
    return path, {"f": test, "f_train": train} if named else bare


def test_files(file):
    path, expected = file
    candidate = read(str(path), num_outputs=3)
    assert_values(candidate, **expected)
    assert path.name in candidate.source


def test_csv_of_one_output_has_one_index(tmp_path):
    write_csv(tmp_path / "a.csv", {"f": at_test()})
    assert (tmp_path / "a.csv").read_text().startswith("chain,draw,f[0],f[1]\n0,0,")
    assert_values(read(tmp_path / "a.csv"), f=at_test())
    with pytest.raises(FileNotFoundError, match="no folder"):
        write_csv(tmp_path / "absent" / "a.csv", {"f": at_test()})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("f[0],f[1]\n", "no rows"),
        ("f[0],f[1]\n1,2\n3\n", "2 columns but line 3 has 1"),
        ("f[0],f[1]\n1,2\n3,red\n", r"'red' in column 'f\[1\]', line 3"),
        ("f[0],f[1]\n1,2\n3,nan\n", "1 of 4 values are NaN"),
        ("f[0],f[2]\n1,2\n", r"no column f\[1\]"),
        ("f[0],f[0]\n1,2\n", "twice"),
        ("f[0],g[1]\n1,2\n", r"column 'g\[1\]'"),
        (",f[0],f[1]\n0,1,2\n", "column ''"),
        ("chain,draw\n0,1\n", "no function values"),
        ("chain,f[0],f[1]\n0,1,2\n0,1,2\n1,1,2\n", "different lengths, 1 to 2"),
        ("chain,draw,f[0],f[1]\n0,0,1,2\n0,0,3,4\n", "there twice"),
        ("chain,f[0],f[1]\n0.5,1,2\n", "whole numbers in column 'chain'"),
        ("1,2\n3\n", "line 2"),
        ("1,2,3,4\n5,6,7,8\n", "2, 4"),
        ("f[0],f[1],f[2],f[3]\n1,2,3,4\n5,6,7,8\n", "2, 4, 1"),
        ("\udcff\udcfe", "UTF-8"),
    ],
)
def test_bad_tables_are_named(tmp_path, text, words):
    path = tmp_path / "bad.csv"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ValueError, match=words) as error:
        read(path)
    if "NaN" not in words and "2, 4" not in words:
        assert "bad.csv" in str(error.value)


def test_data_frames():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"f[1]": DRAWS[0, :, 1, 0], "f[0]": DRAWS[0, :, 0, 0]})
    assert_values(read(frame), f=DRAWS[:1, :, :2, :1])


@pytest.mark.parametrize("name", ["a.npz", "a.npy", "a.nc"])
def test_damaged_files_are_named_and_pickles_never_loaded(tmp_path, name):
    (tmp_path / name).write_bytes(b"not what it says")
    with pytest.raises(ValueError, match=name):
        read(tmp_path / name)
    if name == "a.nc":
        return
    save = np.savez if name == "a.npz" else np.save
    save(tmp_path / name, np.array([{}], dtype=object))
    with pytest.raises(ValueError, match=name):
        read(tmp_path / name)


def test_other_paths(tmp_path):
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "absent.npz")
    with pytest.raises(ValueError, match="folder"):
        read(tmp_path)
    (tmp_path / "a.txt").write_text("1 2")
    with pytest.raises(ValueError, match="npz"):
        read(tmp_path / "a.txt")


# Our own draws

OURS = {"x_test": X_TEST, "x_train": X}


@pytest.fixture(scope="module")
def draws():
    return cases.standard_draws()


def assert_ours(candidate, draws):
    assert_values(candidate, f=draws.predict(X_TEST)[None], f_train=draws.training_outputs()[None])
    assert candidate.independent
    assert candidate.log_evidence == draws.info.log_evidence
    assert candidate.log_evidence_se == draws.info.log_evidence_se


def test_draws_and_their_files_and_views(draws, tmp_path):
    draws.save(tmp_path / "draws.nc")
    view = draws.to_arviz(X_TEST)
    view.to_netcdf(tmp_path / "view.nc")
    for given in (draws, tmp_path / "draws.nc", view, tmp_path / "view.nc"):
        assert_ours(read(given, **OURS), draws)


def test_draws_at_training_inputs_alone(draws):
    assert_values(read(draws, num_test=None, x_train=X), f_train=draws.training_outputs()[None])


def test_other_inputs_are_refused(draws):
    view, moved = draws.to_arviz(X_TEST), X_TEST.copy()
    moved[1, 2] += 1e-3
    with pytest.raises(ValueError, match="other test inputs: first difference at row 1, column 2"):
        read(view, x_test=moved, x_train=X)
    with pytest.raises(ValueError, match="other test inputs: expected shape"):
        read(view, num_test=1, x_test=X_TEST[:1])
    for given in (view, draws):
        with pytest.raises(ValueError, match="other training inputs: first difference at row 0"):
            read(given, x_test=X_TEST, x_train=X + 1)
    with pytest.raises(ValueError, match=r"2 output.s., got 1"):
        read(draws, num_outputs=2)


def test_inputs_that_went_through_single_precision_are_the_same(draws):
    candidate = read(draws.to_arviz(X_TEST), x_test=X_TEST.astype(np.float32))
    assert candidate.independent


def recorded(draws, log_weights=None, **changes):
    """The same draws with another record."""
    weights = draws.log_weights if log_weights is None else log_weights
    info = dataclasses.replace(draws.info, **changes)
    return bnnpost.Draws(draws.space, draws.key, draws.proposal_numbers, weights, info)


def weighted(draws, log_weights):
    """The same draws as if they were capped."""
    return recorded(draws, log_weights, kind="capped")


def test_weighted_draws_are_kept_by_their_weights_and_never_repeated(draws):
    log_weights = np.log(np.where(np.arange(len(draws)) % 2, 1.0, 0.25))
    candidate = read(weighted(draws, log_weights), key=jax.random.key(3), **OURS)
    all_values = draws.predict(X_TEST)[..., 0]
    kept = candidate.values["f"][0, :, :, 0]
    places = [int(np.flatnonzero(np.all(all_values == row, axis=1))[0]) for row in kept]
    assert places == sorted(set(places))
    # Every odd one and a quarter of 1,000 even ones: five standard errors, false alarms 6e-7.
    even = sum(place % 2 == 0 for place in places)
    assert len(places) - even == 1000
    assert abs(even - 250) < 5 * np.sqrt(1000 * 0.25 * 0.75)
    assert candidate.independent and f"{len(places):,} of 2,000" in candidate.notes[-1]
    np.testing.assert_array_equal(candidate.values["f_train"][0], draws.training_outputs()[places])
    again = read(weighted(draws, log_weights), key=jax.random.key(4), **OURS)
    assert again.num_draws != candidate.num_draws or np.any(again.values["f"] != kept[..., None])


@pytest.mark.parametrize(
    ("log_weights", "words"),
    [
        (np.full(100, np.nan), "finite log weights"),
        (np.arange(99.0), "100 log weights, one a draw"),
    ],
)
def test_weights_that_are_none(log_weights, words):
    with pytest.raises(ValueError, match=words):
        read({"f": at_test(), "log_weight": log_weights})


def test_resampled_draws_are_refused(draws, tmp_path):
    capped = weighted(draws, np.linspace(0.0, 1.0, len(draws)))
    resampled = capped.resample(jax.random.key(0))
    for given in (resampled, capped.to_arviz(X_TEST)):
        with pytest.raises(ValueError, match="resampled"):
            read(given, **OURS)


def test_independent_draws_that_repeat_are_refused(draws):
    twice = np.concatenate([draws.proposal_numbers[:1000]] * 2)
    copies = bnnpost.Draws(draws.space, draws.key, twice, np.zeros(2000), draws.info)
    with pytest.raises(ValueError, match=r"1,000 of 2,000 draws .* repeat"):
        read(copies, **OURS)


def test_prior_draws_are_independent_and_offer_no_evidence(draws):
    prior = recorded(draws, kind="prior", log_evidence=0.0, log_evidence_se=0.0)
    for given in (prior, prior.to_arviz(X_TEST)):
        candidate = read(given, **OURS)
        assert candidate.independent and candidate.log_evidence is None
        assert candidate.values["f"].shape == (1, 2000, 2, 1)


def test_every_reader_knows_coupled_draws_for_independent(draws, tmp_path):
    coupled = recorded(draws, kind="coupled")
    coupled.save(tmp_path / "draws.nc")
    for given in (coupled, tmp_path / "draws.nc"):
        assert read(given, **OURS).independent
    taught = types.SimpleNamespace(f_train=np.zeros((3, 1)))
    assert answer_of(coupled, taught, None).independent == len(draws)


@pytest.fixture(scope="module")
def chains(draws):
    """The draws as if two chains had made them."""
    info = ChainsInfo("pcn", 2, 1000, 100, 1, 2000, 2000, 0, 0, (0.5, 0.5), 1.0, 900.0, 800.0)
    return recorded(draws, kind="chain", log_evidence=np.nan, log_evidence_se=np.nan, chains=info)


def test_chains_of_ours_stay_chains(chains):
    expected = {"f": chains.predict(X_TEST), "f_train": chains.training_outputs()}
    for given in (chains, chains.to_arviz(X_TEST)):
        candidate = read(given, **OURS)
        assert_values(
            candidate, **{n: v.reshape(2, 1000, *v.shape[1:]) for n, v in expected.items()}
        )
        assert not candidate.independent and candidate.log_evidence is None


@pytest.mark.parametrize("kind", ["exact", "capped", "chain"])
def test_predictions_of_the_command_line(kind, draws, chains, tmp_path):
    from bnnpost.sweeps import SweepConfig
    from bnnpost.sweeps.cell_directory import write_own
    from bnnpost.sweeps.problem import Problem
    from bnnpost.sweeps.sampling import predictions

    given = {"exact": draws, "chain": chains}.get(kind)
    if given is None:
        given = weighted(draws, np.linspace(0.0, 1.0, len(draws)))
    problem = Problem(SweepConfig(), X, Case().targets, X_TEST, np.zeros(2))
    write_own(tmp_path / "predictions.nc", predictions(given, problem), "0" * 64)
    candidate = read(tmp_path / "predictions.nc", **OURS)
    assert set(candidate.values) == {"f"}
    assert candidate.independent == (kind != "chain")
    if kind == "capped":
        assert "weighted draws remain" in candidate.notes[0]
    else:
        chain = candidate.num_chains
        assert chain == (2 if kind == "chain" else 1)
        np.testing.assert_array_equal(
            candidate.values["f"].reshape(-1, 2, 1), given.predict(X_TEST)
        )
    with pytest.raises(ValueError, match="other test inputs"):
        read(tmp_path / "predictions.nc", x_test=X_TEST + 1)


# What others make


def dataset(**variables):
    return xr.Dataset(
        {
            name: (("chain", "draw", *(f"{name}_dim_{i}" for i in range(v.ndim - 2))), v)
            for name, v in variables.items()
        }
    )


def inference_data(data, tmp_path, form):
    """An ArviZ object of the installed generation, a file of it, or what is in it."""
    import arviz as az

    if form == "data set":
        return data
    tree = xr.DataTree.from_dict(
        {"/posterior": data, "/sample_stats": dataset(lp=DRAWS[..., 0, 0])}
    )
    if form == "tree":
        return tree
    is_old = hasattr(az.InferenceData, "from_datatree") if hasattr(az, "InferenceData") else False
    given = az.InferenceData.from_datatree(tree) if is_old else tree
    if form == "file":
        given.to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
        return tmp_path / "other.nc"
    return given


@pytest.mark.parametrize("form", ["data set", "tree", "object", "file"])
def test_arviz_objects(form, tmp_path):
    for names in ({"f": at_test()}, {"f_test": at_test()[..., 0]}, {"mu": at_test()}):
        data = dataset(f_train=at_train()) if "mu" not in names else dataset(w=DRAWS)
        given = inference_data(data.merge(dataset(**names)), tmp_path, form)
        expected = {"f": at_test()} | ({} if "mu" in names else {"f_train": at_train()})
        candidate = read(given)
        assert_values(candidate, **expected)
        assert not candidate.independent
    with pytest.raises(ValueError, match=r"a \(2, 50, 5\)"):
        read(inference_data(dataset(a=DRAWS[..., 0], b=DRAWS), tmp_path, form))
    # Weights that happen to be as many as there are test inputs.
    with pytest.raises(ValueError, match=r"under the names .*, got tau .*, w \(2, 50, 2\)"):
        weights = dataset(tau=DRAWS[..., 0, 0], w=DRAWS[..., 0, :2])
        read(inference_data(weights, tmp_path, form))


def test_axes_in_another_order_and_samples_put_together():
    data = dataset(f=at_test())
    assert_values(read(data["f"].transpose("f_dim_0", "draw", "chain", "f_dim_1")), f=at_test())
    assert_values(read(data.stack(sample=("chain", "draw"))), f=at_test())
    assert_values(read(xr.DataArray(at_test())), f=at_test())


def test_a_tree_without_a_posterior_is_refused():
    with pytest.raises(ValueError, match=r"group posterior .*got observed_data"):
        read(xr.DataTree.from_dict({"/observed_data": xr.Dataset({"y": ("i", np.zeros(3))})}))


def mcmc(**sites):
    """What of numpyro's MCMC is looked at."""
    return types.SimpleNamespace(get_samples=lambda group_by_chain: sites)


@pytest.mark.parametrize(
    ("sites", "expected"),
    [
        ({"f": at_train(), "layer0.weights": DRAWS}, {"f_train": at_train()}),
        ({"f": at_test()}, {"f": at_test()}),
        ({"f": at_train(), "f_test": at_test()}, {"f": at_test()}),
        ({"f_train": at_train(), "f": at_test()}, {"f": at_test(), "f_train": at_train()}),
        ({"f_train": at_train()[..., 0]}, {"f_train": at_train()}),
        ({"mu": at_test()}, {"f": at_test()}),
    ],
)
def test_numpyro_sites(sites, expected):
    assert_values(
        read(mcmc(**{name: jnp.asarray(v) for name, v in sites.items()})),
        **{name: v.astype(np.float32) for name, v in expected.items()},
    )


def test_numpyro_f_is_at_the_training_inputs_if_it_fits_both():
    candidate = read(mcmc(f=at_test()), num_train=2)
    assert_values(candidate, f_train=at_test())
    assert "hmc.model" in candidate.notes[0]
    data = dataset(f=at_test()).assign_attrs(inference_library="numpyro")
    assert_values(read(xr.DataTree.from_dict({"/posterior": data}), num_train=2), f_train=at_test())


def has_not_run(group_by_chain):
    raise AssertionError("`run` must be called before `get_samples`.")


@pytest.mark.parametrize("get_samples", [has_not_run, lambda group_by_chain: {}])
def test_a_numpyro_object_that_has_not_run(get_samples):
    with pytest.raises(ValueError, match="run it first"):
        read(types.SimpleNamespace(get_samples=get_samples))


@pytest.mark.slow
def test_a_numpyro_run_of_the_models_we_give():
    from numpyro.infer import MCMC, NUTS

    run = MCMC(NUTS(bnnpost.hmc.model(Case().posterior())), num_warmup=50, num_samples=50,
               num_chains=2, chain_method="sequential", progress_bar=False)  # fmt: skip
    run.run(jax.random.key(0))
    candidate = read(run)
    assert candidate.values["f_train"].shape == (2, 50, 3, 1)


def test_candidates_are_checked_again():
    candidate = Candidate({"f": at_test()}, "mine", log_evidence=-3.0, log_evidence_se=0.1)
    again = read(candidate)
    assert_values(again, f=at_test())
    assert again.source == "mine"
    assert (again.log_evidence, again.log_evidence_se) == (-3.0, 0.1)
    with pytest.raises(ValueError, match="NaN"):
        read(Candidate({"f": changed((0, 0, 0), np.nan)}, "mine"))
