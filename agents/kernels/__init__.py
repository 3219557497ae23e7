"""Loops in C, where PyTorch would take ten passes over memory or spend its time on being called.

They are compiled when the package is installed, if there is a C compiler. Everything here has a twin in
PyTorch beside its caller, which serves other devices, dtypes and processors; tests compare the two. Other
threads run during a call.

    rows.c      softmax, sampling, entropy, V-trace: a few numbers a row
    dense.c     dense layers in bfloat16, forward and backward
    muon.c      a step of Muon for one matrix, its products in bfloat16
    learn.c     all of an update but the step, for dense networks: both of the above, in the cache
"""
