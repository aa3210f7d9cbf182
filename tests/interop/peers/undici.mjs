/* SPDX-License-Identifier: MIT */
/* npm's undici, a client with the browsers' interface. It offers permessage-deflate always. */
import { readFileSync } from "node:fs";
import { Agent, WebSocket } from "undici";

const { INTEROP_CA: ca } = process.env;
const socket = new WebSocket(process.argv[3], { protocols: ["elsewhere.v1", "interop.v1"],
                                                dispatcher: new Agent({ connect: { ca: ca && readFileSync(ca) } }) });
socket.binaryType = "arraybuffer";
let messages = 0, octets = 0;
socket.onopen = () => console.log("open", socket.protocol);
socket.onmessage = ({ data }) => {
    messages++;
    octets += typeof data === "string" ? Buffer.byteLength(data) : data.byteLength;
    if (data === "!close")
        socket.close(1000, "from the peer");
    else
        socket.send(data);
};
socket.onerror = event => console.log("error", event.message);
socket.onclose = ({ code, reason }) => {
    console.log("closed", code, messages, octets, reason);
    process.exit();
};
