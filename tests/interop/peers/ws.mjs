/* SPDX-License-Identifier: MIT */
/* npm's ws, both roles. */
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createSecure } from "node:https";
import { WebSocket, WebSocketServer } from "ws";

const { INTEROP_CERT: cert, INTEROP_KEY: key, INTEROP_CA: ca, INTEROP_DEFLATE: deflate } = process.env;
const options = { maxPayload: 0, perMessageDeflate: deflate ? { threshold: 0 } : false };

function echo(socket) {
    let messages = 0, octets = 0;
    socket.on("message", (data, isBinary) => {
        messages++;
        octets += data.length;
        const text = isBinary ? "" : data.toString("latin1", 0, 6);
        if (text === "!close")
            return socket.close(1000, "from the peer");
        if (text === "!ping")
            return socket.ping("here");
        if (text !== "!parts")
            return socket.send(data, { binary: isBinary });
        socket.send(data.subarray(0, 20), { binary: false, fin: false });
        socket.send(data.subarray(20, 40001), { binary: false, fin: false });
        socket.send(data.subarray(40001), { binary: false });
    });
    socket.on("pong", () => socket.send("pong"));
    socket.on("error", error => console.log("error", error.message));
    socket.on("close", (code, reason) => console.log("closed", code, messages, octets, reason.toString()));
}

if (process.argv[2] === "server") {
    const http = cert ? createSecure({ cert: readFileSync(cert), key: readFileSync(key) }) : createServer();
    const handleProtocols = offered => offered.has("interop.v1") ? "interop.v1" : false;
    new WebSocketServer({ server: http, handleProtocols, ...options }).on("connection", socket => {
        console.log("open", socket.protocol);
        echo(socket);
    });
    http.listen(0, "127.0.0.1", () => console.log("port", http.address().port));
} else {
    const socket = new WebSocket(process.argv[3], ["elsewhere.v1", "interop.v1"],
                                 { ...options, ca: ca && readFileSync(ca) });
    socket.on("open", () => console.log("open", socket.protocol));
    echo(socket);
}
