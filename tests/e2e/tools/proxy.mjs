/* SPDX-License-Identifier: MIT */
/* A TCP proxy that keeps what passes, and a reader of what it kept. It shares no code with the pages. */
import { connect, createServer } from "node:net";

/* Returns { url, connections, cut(), mend(), stop() }; each connection holds the bytes `sent` by the client and
 * `answered`. cut() ends what is open and refuses what comes, until mend(). */
export async function startProxy(port) {
    const connections = [];
    const sockets = new Set();
    let isCut = false;
    const server = createServer(client => {
        if (isCut) {
            client.destroy();
            return;
        }
        const record = { sent: Buffer.alloc(0), answered: Buffer.alloc(0) };
        connections.push(record);
        const upstream = connect(port, "127.0.0.1");
        pass(client, upstream, bytes => { record.sent = Buffer.concat([record.sent, bytes]); });
        pass(upstream, client, bytes => { record.answered = Buffer.concat([record.answered, bytes]); });
        for (const socket of [client, upstream]) {
            sockets.add(socket);
            socket.on("close", () => sockets.delete(socket));
            socket.on("error", () => { client.destroy(); upstream.destroy(); });
        }
    });
    await new Promise(done => server.listen(0, "127.0.0.1", done));
    return {
        url: `http://127.0.0.1:${server.address().port}`,
        connections,
        cut: () => {
            isCut = true;
            sockets.forEach(socket => socket.destroy());
        },
        mend: () => { isCut = false; },
        stop: () => {
            sockets.forEach(socket => socket.destroy());
            return new Promise(done => server.close(done));
        },
    };
}

function pass(from, to, keep) {
    from.on("data", bytes => {
        keep(bytes);
        to.write(bytes);
    });
    from.on("end", () => to.end());
}

/* Splits one direction of a WebSocket connection: { head: text, frames: [{ head: hex, opcode, payload: Buffer }] }.
 * A request on the same connection before the upgrade is skipped: the head is the last before the frames. */
export function readStream(bytes, start) {
    const at = bytes.lastIndexOf(start);
    const end = bytes.indexOf("\r\n\r\n", at) + 4;
    if (at < 0 || end < 4)
        return { head: "", frames: [] };
    return { head: bytes.subarray(at, end).toString("latin1"), frames: readFrames(bytes.subarray(end)) };
}

function readFrames(bytes) {
    const frames = [];
    for (let at = 0; at + 2 <= bytes.length;) {
        let length = bytes[at + 1] & 0x7f;
        let body = at + 2;
        if (length === 126) {
            length = bytes.readUInt16BE(body);
            body += 2;
        } else if (length === 127) {
            length = Number(bytes.readBigUInt64BE(body));
            body += 8;
        }
        if (bytes[at + 1] & 0x80)
            body += 4;
        if (body + length > bytes.length)
            break;
        frames.push({
            head: bytes.toString("hex", at, body),
            opcode: bytes[at] & 15,
            compressed: (bytes[at] & 0x40) !== 0,
            payload: bytes.subarray(body, body + length),
        });
        at = body + length;
    }
    return frames;
}
