"""The application: nets and solvers held for somebody else, and long tasks as generators of progress.

Every door (command line, gRPC, MATLAB bridge) calls this layer and has no logic of its own.
"""
