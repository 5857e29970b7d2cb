"""`python -m diffscaler.doctor DATA_DIR MODELS_DIR DEVICE [--json]`: the doctor without a front door, for itself."""

import sys
from pathlib import Path

from diffscaler.doctor.report import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[4:], Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] or None))
