"""From what a cluster holds to a spec that changes nothing of it. Pure."""

from operations.adopting.fitting import Adopted, adopt
from operations.adopting.parts import LeftOver

__all__ = ["Adopted", "LeftOver", "adopt"]
