# Stormcellar as an image: `docker build -t stormcellar .`, then deploy/compose.yaml or deploy/kubernetes/.
# The steps are run by hand, in clean folders, by test/deploy/image.test.ts; so RUN lines use paths relative to their WORKDIR.

FROM node:24-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json ./
COPY scripts ./scripts
COPY bin ./bin
COPY cli ./cli
COPY server ./server
COPY storage ./storage
COPY migrations ./migrations
RUN npm run build

FROM node:24-bookworm-slim AS dependencies
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev

# Node without npm: what serves has no need of a tool that fetches and runs code.
FROM debian:bookworm-slim
# git is for locks that name repositories (git+https://…), the certificates for upstreams.
RUN apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates git libstdc++6 \
  && rm -rf /var/lib/apt/lists/*
COPY --from=build /usr/local/bin/node /usr/local/bin/node
WORKDIR /app
COPY package.json config.example.json LICENSE ./
COPY --from=dependencies /build/node_modules ./node_modules
COPY --from=build /build/bin ./bin
COPY --from=build /build/dist ./dist
# Everything that is written goes below /data, so the root file system may be read-only.
RUN install -d -o 10001 -g 10001 /data
ENV NODE_ENV=production \
  STORMCELLAR_LISTEN__HOST=0.0.0.0 \
  STORMCELLAR_LISTEN__PORT=8085 \
  STORMCELLAR_DATA_DIR=/data \
  TMPDIR=/data
USER 10001:10001
VOLUME /data
EXPOSE 8085
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.STORMCELLAR_LISTEN__PORT}/readyz`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "bin/stormcellar.mjs"]
CMD ["serve"]
