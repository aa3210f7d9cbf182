/* SPDX-License-Identifier: MIT */
/* npm's ws as an echo server on a port of its own choice, which it prints. */
import { createRequire } from "node:module";
const { WebSocketServer } = createRequire(new URL("../../e2e/package.json", import.meta.url))("ws");

const server = new WebSocketServer({ port: 0, host: "127.0.0.1", maxPayload: 0, perMessageDeflate: { threshold: 0 } },
                                   () => console.log(server.address().port));
server.on("connection", socket => {
    socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
    socket.on("error", () => {});
});
