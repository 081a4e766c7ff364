# syntax=docker/dockerfile:1

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /out/emcy ./cmd/emcy && mkdir -p /out/data

FROM scratch
LABEL org.opencontainers.image.title="Emcy Gateway" \
      org.opencontainers.image.description="OAuth, consent and a log in front of the MCP server that you already run" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/emcy/gateway"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/emcy /emcy
# The user is a number because the image has no /etc/passwd. The data folder
# holds the SQLite file, the key and the usage spool: mount a volume there.
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
ENV EMCY_DATA_DIR=/data
VOLUME /data
EXPOSE 8080 8081
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 CMD ["/emcy", "healthcheck"]
ENTRYPOINT ["/emcy"]
CMD ["serve"]
