"""The command of the stand-in jobs: `python stand_in.py --storage URL --job ID --folder SCRATCH`."""

from loopwright.adapters.obstore.storage import open_storage
from loopwright.testing.jobs import stand_in_command

stand_in_command(open_storage)
