"""What moves Markov chains, one or two coupled ones: each kernel with its coupling, in one file.

Chains and coupled pairs import from here, and nothing here from them. A kernel is a class with a
file of its own and, where it has a name on the command line, a line of `methods`.
"""
