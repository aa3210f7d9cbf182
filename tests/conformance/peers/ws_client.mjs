/* SPDX-License-Identifier: MIT */
/* npm's ws as an echo client of the URL it is told. */
import { createRequire } from "node:module";
const { WebSocket } = createRequire(new URL("../../e2e/package.json", import.meta.url))("ws");

const socket = new WebSocket(process.argv[2], { maxPayload: 0, perMessageDeflate: { threshold: 0 } });
socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
socket.on("error", () => {});
