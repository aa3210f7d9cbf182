/* SPDX-License-Identifier: MIT */
/* A TCP relay whose wires can be cut. */
import { connect, createServer } from "node:net";

/* Returns { port, url, wsUrl, cut(), stop() }: cut() resets every connection that is open, stop() refuses new ones. */
export function startRelay(port) {
    const sockets = new Set();
    const server = createServer(near => {
        const far = connect(port, "127.0.0.1");
        for (const [one, other] of [[near, far], [far, near]]) {
            sockets.add(one);
            one.on("error", () => {}).on("close", () => { sockets.delete(one); other.destroy(); });
            one.pipe(other);
        }
    });
    const cut = () => { for (const socket of [...sockets]) socket.destroy(); };
    const stop = () => { cut(); return new Promise(done => server.close(done)); };
    return new Promise(done => server.listen(0, "127.0.0.1", () => {
        const own = server.address().port;
        done({ port: own, url: `http://127.0.0.1:${own}`, wsUrl: `ws://127.0.0.1:${own}`, cut, stop });
    }));
}
