"""The floor: registers the objects in ``objects.json`` with nothing but Pulumi's SDK, each as one plain custom resource."""

import json
from pathlib import Path

import pulumi_kubernetes as kubernetes

for body in json.loads(Path("objects.json").read_text()):
    name = f"{body['kind']}/{body['metadata']['namespace']}/{body['metadata']['name']}"
    kubernetes.apiextensions.CustomResource(
        name, api_version=body["apiVersion"], kind=body["kind"], metadata=body["metadata"], spec=body["spec"]
    )
