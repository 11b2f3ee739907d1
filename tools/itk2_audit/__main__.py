"""python3 -m itk2_audit: the command from the source tree."""
import sys

from .command import main

sys.exit(main())
