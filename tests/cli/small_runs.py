"""Runs of each kind that take seconds: for faults of their files, and for disks that are full."""

SWEEP = """
num_train = 2
num_test = 1
depth = 1
widths = [4, 8]
num_samples = 20
num_proposals = 500
"""
GRID = "[grid]\nnoise_std = [0.5, 0.8]\n"
PROBLEM = ("--num-train", 2, "--num-test", 2, "--noise-std", 0.5, "--depth", 1)
DRAWS = {
    "rejection": ("--num-samples", 60),
    "chains": ("--method", "slice", "--chains", 2, "--num-samples", 40, "--warmup", 20),
    "coupled": ("--method", "coupled", "--num-samples", 30, "--tolerance", 0.2),
}
