/* SPDX-License-Identifier: MIT */
/* A backend that `duet serve` asks and tells: plain node:http. What it says a test sets, by path. */
import { createServer } from "node:http";

export async function startBackend(port = 0) {
    const asked = [];
    const answers = new Map();
    const sockets = new Set();
    const server = createServer((request, response) => {
        let text = "";
        request.setEncoding("utf8").on("data", piece => { text += piece; }).on("end", async () => {
            const kind = request.url.slice(1);
            const question = { kind, headers: request.headers, method: request.method, body: JSON.parse(text) };
            asked.push(question);
            const answer = answers.get(kind);
            const said = typeof answer === "function" ? await answer(question, response) : answer;
            if (response.writableEnded || said === undefined)
                return; /* it has answered by itself, or never does */
            response.setHeader("Content-Type", "application/json");
            response.end(JSON.stringify(said));
        });
    });
    server.on("connection", socket => {
        sockets.add(socket);
        socket.on("close", () => sockets.delete(socket));
    });
    await new Promise(done => server.listen(port, "127.0.0.1", done));
    return {
        port: server.address().port,
        url: `http://127.0.0.1:${server.address().port}`,
        asked,
        of: kind => asked.filter(question => question.kind === kind),
        say: (kind, answer) => answers.set(kind, answer),
        stop: () => new Promise(done => {
            server.close(done);
            sockets.forEach(socket => socket.destroy());
        }),
    };
}
