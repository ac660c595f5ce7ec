# The cdc command, for the container that keeps a development environment as its spec says. The context is the project.
ARG PYTHON=3.11-slim-bookworm

FROM python:${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/cdc
COPY requirements/runtime.txt /build/
RUN /opt/cdc/bin/pip install --require-hashes --requirement /build/runtime.txt

FROM python:${PYTHON}
COPY --from=build /opt/cdc /opt/cdc
COPY components /opt/cdc/source/components
COPY operations /opt/cdc/source/operations
COPY policies /opt/cdc/source/policies
RUN printf '#!/bin/sh\nexec /opt/cdc/bin/python -c "from operations.cli import main; main()" "$@"\n' > /opt/cdc/bin/cdc && chmod 755 /opt/cdc/bin/cdc \
 && groupadd --gid 10001 cdc && useradd --uid 10001 --gid cdc --no-create-home --shell /usr/sbin/nologin cdc
ENV PATH=/opt/cdc/bin:$PATH PYTHONPATH=/opt/cdc/source PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
ENTRYPOINT ["cdc"]
CMD ["--help"]
