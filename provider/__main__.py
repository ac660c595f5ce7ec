"""The components as a Pulumi package for every Pulumi language: ``pulumi package add <this folder>``."""

import sys

from pulumi.provider import main

from components.package import CdcPackage

main(CdcPackage(), sys.argv[1:])
