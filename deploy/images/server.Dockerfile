# The inference server alone: no training, no MLflow, no control API, no compiler. From the repository's root:
#
#     docker build -f deploy/images/server.Dockerfile -t loopwright-server .
#     docker run -p 8080:8080 -e LOOPWRIGHT_TOKEN=… -e LOOPWRIGHT_STORAGE=s3://… loopwright-server
#
# MODEL_REQUIREMENTS names what models need beyond that, as their bundles' requirements.txt say it:
#
#     docker build … --build-arg MODEL_REQUIREMENTS="scikit-learn==1.6.1" .

FROM python:3.12-slim AS build
WORKDIR /src
RUN python -m venv /opt/loopwright
COPY constraints.txt deploy/images/server.txt ./
RUN /opt/loopwright/bin/pip install --no-cache-dir --constraint constraints.txt --requirement server.txt
ARG MODEL_REQUIREMENTS=""
RUN test -z "$MODEL_REQUIREMENTS" || /opt/loopwright/bin/pip install --no-cache-dir $MODEL_REQUIREMENTS
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN /opt/loopwright/bin/pip install --no-cache-dir --no-deps .

FROM python:3.12-slim
# LightGBM's wheel needs the system's OpenMP library.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends libgomp1 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --create-home --home-dir /var/lib/loopwright loopwright
COPY --from=build /opt/loopwright /opt/loopwright
ENV PATH=/opt/loopwright/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    LOOPWRIGHT_HOST=0.0.0.0 \
    LOOPWRIGHT_INFERENCE_PORT=8080
# Captures on their way lie here: a volume keeps them over the container's end.
WORKDIR /var/lib/loopwright
USER 10001
EXPOSE 8080
ENTRYPOINT ["loopwright"]
CMD ["serve"]
