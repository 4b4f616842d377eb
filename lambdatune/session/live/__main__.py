"""``python -m lambdatune.session.live``: the engine process; `link.EngineProcess` starts it."""

import sys

from lambdatune.session.live.engine import main

sys.exit(main())
