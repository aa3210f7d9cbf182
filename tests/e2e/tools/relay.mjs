/* SPDX-License-Identifier: MIT */
/* A TCP relay whose wires can be cut. */
import { connect, createServer } from "node:net";

/* Returns { port, url, wsUrl, cut(), down(), up(), stop() }: cut() resets every connection that is open, down() refuses
 * new ones, too, until up(); stop() ends it. */
export function startRelay(port) {
    const sockets = new Set();
    let isDown = false;
    const server = createServer(near => {
        if (isDown) {
            near.destroy();
            return;
        }
        const far = connect(port, "127.0.0.1");
        for (const [one, other] of [[near, far], [far, near]]) {
            sockets.add(one);
            one.on("error", () => {}).on("close", () => { sockets.delete(one); other.destroy(); });
            one.pipe(other);
        }
    });
    const cut = () => { for (const socket of [...sockets]) socket.destroy(); };
    const down = () => { isDown = true; cut(); };
    const up = () => { isDown = false; };
    const stop = () => { cut(); return new Promise(done => server.close(done)); };
    return new Promise(done => server.listen(0, "127.0.0.1", () => {
        const own = server.address().port;
        done({ port: own, url: `http://127.0.0.1:${own}`, wsUrl: `ws://127.0.0.1:${own}`, cut, down, up,
               stop });
    }));
}
