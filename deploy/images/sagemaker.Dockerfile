# The inference server as SageMaker runs it: `docker run IMAGE serve`, with the bundle unpacked in /opt/ml/model.
#
#     docker build -f deploy/images/server.Dockerfile -t loopwright-server .
#     docker build -f deploy/images/sagemaker.Dockerfile -t loopwright-sagemaker deploy/images

ARG SERVER=loopwright-server
FROM ${SERVER}
# SageMaker wants its containers to run as root; what they may reach is bounded by the role, not by the user.
USER root
# Nobody reaches the port but SageMaker, which has no token to show: it asked the caller for a signature before.
ENV LOOPWRIGHT_BUNDLE=/opt/ml/model \
    LOOPWRIGHT_TRUSTED_NETWORK=true
# Where it is one of several containers, SageMaker names its port in SAGEMAKER_BIND_TO_PORT.
LABEL com.amazonaws.sagemaker.capabilities.accept-bind-to-port=true
