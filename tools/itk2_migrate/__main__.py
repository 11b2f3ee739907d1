"""python3 -m itk2_migrate: the command from the source tree."""
import sys

from itk2_migrate.command import main

sys.exit(main())
