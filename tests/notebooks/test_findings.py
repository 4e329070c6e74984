"""The notebooks find what they claim to find, as their stored outputs say."""

import re

from tests.notebooks.books import FOLDER, printed, read

NUMBER = r"(-?\d+(?:\.\d+)?)"


def found_by(name):
    """What a notebook printed."""
    return printed(read(FOLDER / f"{name}.ipynb"))


def numbers(text, pattern):
    """The numbers of the only place in a text that the pattern matches; `#` stands for one."""
    found = re.findall(pattern.replace("#", NUMBER), text)
    assert len(found) == 1, f"{pattern!r} matches {len(found)} places of:\n{text}"
    groups = found[0] if isinstance(found[0], tuple) else (found[0],)
    return [float(number) for number in groups]


def test_wider_networks_look_like_the_limit():
    text = found_by("1_first_look")
    off = {
        width: numbers(text, rf"(?m)^ +{width} +#% of a std +#%$") for width in ("2", "8", "128")
    }
    assert off["2"][1] > 1.5 * off["8"][1] > 1.5 * 1.5 * off["128"][1]
    assert max(off["128"]) <= 7  # a thousand draws of the limit itself are about 4 % off


def test_distances_fall_as_theory_says():
    text = found_by("2_convergence")
    for name, theory in (("tv", -1.0), ("kl", -2.0)):
        low, high, stated = numbers(text, rf"{name}: slope .*interval # to #; theory #")
        assert stated == theory
        assert low < theory < high
    coefficient = numbers(text, r"(?m)^theory +# ± #$")[0]
    for width in (64, 256):
        product, error = numbers(text, rf"(?m)^ +{width} .* # ± #$")
        assert abs(product - coefficient) < 4 * error + 0.05 * coefficient


def test_priors_have_the_limits_that_are_said():
    text = found_by("3_own_priors")
    tail = {
        name: numbers(text, rf"(?m)^{name}.* below +# medians, beyond 5 medians: +#%")
        for name in ("normal", "Laplace", "Student-t", "scale of each unit")
    }
    for name in ("normal", "Laplace"):
        assert tail[name][0] < 5
        assert tail[name][1] < 1
    for name in ("Student-t", "scale of each unit"):
        assert tail[name][0] > 10
        assert tail[name][1] > 3
    evidence = {
        name: numbers(text, rf"(?m)^{name}: a Gaussian process, log evidence #$")
        for name in ("normal", "Laplace")
    }
    assert evidence["normal"] == evidence["Laplace"]
    assert re.search(r"HalfNormal: a mixture of processes", text)
    assert len(re.findall(r": none\. .*is inf", text)) == 2
    assert 93 < numbers(text, r"normal: .*\n +inside the band #%")[0] < 98
    assert numbers(text, r"inside the steps, and a little noise: #%")[0] > 98
    assert "BoundExceeded: a log weight" in text


def test_nuts_passes_and_the_others_fail():
    text = found_by("4_is_hmc_right")
    verdicts = dict(re.findall(r"(?m)^(.+):\n +(PASSED|FAILED)", text))
    wrong = dict.fromkeys(("mean field", "Laplace", "half the noise variance"), "FAILED")
    assert verdicts == {"NUTS": "PASSED", **wrong}
    gap, data = numbers(text, r"(?m)^mean field +# +#$")
    assert gap < 0.95
    assert data > 1.1
    assert numbers(text, r"(?m)^Laplace +# +#$")[1] > 1.5
    assert numbers(text, r"(?m)^half the noise variance +# +#$")[1] < 0.9


def test_classes_of_wide_networks_are_those_of_the_limit():
    text = found_by("5_classification")
    narrow, wide = (
        numbers(text, rf"width +{width} and the limit: .* # on average")[0] for width in (2, 32)
    )
    noise = numbers(text, r"from 400 draws: #\)")[0]
    assert wide < 1.5 * noise < narrow
    alone, together = numbers(text, r"one network #%, their average #%")
    assert alone > 40
    assert together < 5


def test_many_heads_converge_and_one_does_not():
    text = found_by("6_attention")
    many = numbers(text, r"N heads: slope #, 95 % interval # to #")
    one = numbers(text, r"one head: slope #, 95 % interval # to #")
    assert many[1] < -1 < many[2]
    assert one[1] > many[2]
    near, far = (
        numbers(text, rf"N heads, N = +{width}: total variation # ±")[0] for width in (64, 16)
    )
    assert near < far / 2
    kurtosis = {
        (name, width): numbers(text, rf"{name}, N = {width}: kurtosis +#")[0]
        for name in ("N heads", "one head")
        for width in (16, 64)
    }
    assert kurtosis["N heads", 64] < kurtosis["N heads", 16]
    assert kurtosis["N heads", 64] < 4
    assert min(kurtosis["one head", width] for width in (16, 64)) > 5
    assert numbers(text, r"one head, N = +256: total variation # ±")[0] > 0.07
    targets = re.findall(r"-?1", re.findall(r"targets: \[(.*)\]", text)[0])
    assert targets[:4].count("1") == targets[:4].count("-1") == 2


def test_capped_draws_agree_with_another_route():
    text = found_by("7_fifty_points")
    (capped, capped_se), (other, other_se) = (
        numbers(text, rf"log evidence, {route} +# ± #")
        for route in ("capped draws", "all proposals")
    )
    assert abs(capped - other) < 4 * (capped_se**2 + other_se**2) ** 0.5
    (apart,) = re.findall(r"differ, in standard errors: \[(.*)\]", text)
    assert max(abs(float(one)) for one in apart.split()) < 4
    size, total = numbers(text, r"effective sample size +# of #")
    assert size > 0.9 * total
    assert numbers(text, r"Pareto k +#")[0] < 0.5
    assert 0 < numbers(text, r"excess over the cap +#%")[0] < 5
    assert re.search(r"(?m)^capped: 500 of", text)


def test_learning_rates_have_borders_near_two_and_above_four():
    text = found_by("8_learning_rates")
    for rate, shares in (("1.00", "100 0 0"), ("3.00", "0 100 0"), ("8.00", "0 0 100")):
        pattern = " % +".join(shares.split())
        assert re.search(rf"(?m)^ +{rate} +{pattern} %$", text)
    found = {
        width: numbers(text, rf"N = +{width}: .* c = # \[#, #\], diverges from # \[#, #\]")
        for width in (16, 64, 256)
    }
    assert 2 < found[256][0] < found[16][0] + 0.1 < 2.7
    assert found[256][4] > 4


def test_rejection_finds_what_the_closed_form_says():
    text = found_by("9_deep_linear")
    for width in (1, 16):
        truth, drawn, se, mean, found, error = numbers(
            text,
            rf"N = +{width}: log evidence #, drawn # ± #; +mean of f \+#, drawn \+# ± #",
        )
        assert abs(drawn - truth) < 4 * se + 1e-4
        assert abs(found - mean) < 4 * error + 1e-3
    evidence = {
        width: numbers(text, rf"(?m)^N = +{width}: log evidence #$")[0] for width in (1, 4, 16, 64)
    }
    assert max(evidence, key=evidence.get) == 4
    assert numbers(text, r"limit: +log evidence #")[0] < min(evidence[16], evidence[64])
    assert re.search(r"closed form: passed\nthe limit:   FAILED", text)


def test_the_first_order_is_nearest_and_linear_networks_are_exact():
    text = found_by("10_points_and_units")
    errors = {
        name: re.findall(rf"(?m)^{name} +{NUMBER} ± \S+ +{NUMBER} ± ", text)
        for name in ("limit", "first order", "proportional")
    }
    for width in range(2):
        for column in range(2):  # mean and variance
            limit, first, scaled = (float(errors[name][width][column]) for name in errors)
            assert first < scaled
            assert 2.5 < limit / scaled < 8.5
    off = [
        numbers(text, rf"N = +{width}: evidence off by \+# nats; limit #") for width in (8, 32, 64)
    ]
    assert off[2][0] < off[0][0] < 0.01
    assert off[2][1] < off[0][1] < -0.5


def test_the_kernel_predicts_the_exponent_and_few_features_have_one():
    text = found_by("11_more_data")
    measured, low, high = numbers(text, r"(?m)^measured +# \[#, #\]")
    predicted, other_low, other_high = numbers(text, r"(?m)^predicted +# \[#, #\]")
    assert max(low, other_low) < min(high, other_high)
    assert 0.4 < measured < 0.8 and 0.4 < predicted < 0.8
    low, high = numbers(text, r"sixteen features: exponent \d.\d+, interval # to #")
    assert low < 1.15 and high > 1


def test_one_draw_has_the_variance_besides_and_right_priors_are_calibrated():
    text = found_by("12_moving_away")
    for strength in (0, 1, 2, 4):
        alone, both, gain = numbers(
            text, rf"moved by {strength}: one draw #; S \+ V = #, 1 \+ V/S = #"
        )
        assert abs(alone - both) < 0.1 * both
        assert 1.05 < gain < 1.35
    share, error = numbers(text, r"four units away: #% ± #%")
    assert abs(share - 90) <= 3 * error
