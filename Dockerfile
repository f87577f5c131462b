# autrt on a CPU: docker build -t autrt . (docs/install.md). Written and checked step by step, never built so far.
#   --build-arg EXTRAS=openvino    other extras, by commas; OpenVINO computes in bfloat16 where the CPU has it
#   --build-arg FETCH=centerface   what to fetch now, by spaces; --build-arg FETCH= leaves it to the first run
ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS install
ARG EXTRAS=openvino
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY autrt autrt
COPY train train
COPY bench bench
RUN python -m venv /opt/autrt
RUN /opt/autrt/bin/python -m pip install --no-cache-dir ".[${EXTRAS}]"
COPY packaging/slim packaging/slim
RUN packaging/slim /opt/autrt

FROM python:${PYTHON}-slim
ARG FETCH=centerface
ENV PATH=/opt/autrt/bin:$PATH AUTRT_CACHE=/cache
RUN useradd --create-home autrt && install --directory --mode=1777 /cache /data
COPY --from=install /opt/autrt /opt/autrt
USER autrt
RUN [ -z "${FETCH}" ] || autrt fetch ${FETCH}
VOLUME /cache
WORKDIR /data
ENTRYPOINT ["autrt"]
CMD ["--help"]
HEALTHCHECK NONE
