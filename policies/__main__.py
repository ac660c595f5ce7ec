"""The CrossGuard pack: ``pulumi preview --policy-pack policies``. It serves and never returns."""

from pulumi_policy import PolicyPack

from policies.pack import policies

PolicyPack("cdc-platform", policies=policies())
