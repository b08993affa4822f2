"""The MATLAB and Octave door: one local process per client, started by ``bindings/matlab/+caffe`` on first use.

``frames`` is what travels, ``values`` how MATLAB values become NumPy's and back, ``exchange`` where large arrays change
hands, ``dispatch`` the table of what may be asked, ``process`` the connection and the life of the process. What goes
beyond MatCaffe is in ``toolbox``, ``training``, ``making`` and ``looking``; ``translate`` has MATLAB's words.
``python -m caffe_sdk.bridge --dir DIR`` runs it.
"""
