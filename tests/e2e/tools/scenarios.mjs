/* SPDX-License-Identifier: MIT */
/*
 * What the unchanged npm `centrifuge` client goes through, in Node and in a page alike: nothing here is of either. The
 * table at the end of docs/centrifugal.md says which of them shows what.
 *
 * A scenario gets a `t`: `way` is the transport, `call(name, ...)` does something at the other end (tools/stage.mjs).
 */

let names = 0;

/* The tools of one scenario. `Centrifuge` and `options` are those of the place where it runs. */
export function toolsOf({ Centrifuge, options, way, places, call, prefix }) {
    const clients = [];
    const t = { way, places, call };
    t.api = (method, body) => call("api", method, body);
    t.token = (claims, seconds) => call("token", claims, seconds);
    t.fresh = what => `${what}-${prefix}-${way}-${++names}`;
    t.pause = ms => new Promise(done => setTimeout(done, ms));
    t.until = async (question, what) => {
        for (let left = 1000; left > 0; left--) {
            const answer = question();
            if (answer)
                return answer;
            await t.pause(20);
        }
        throw new Error(`not within 20 s: ${what}`);
    };
    t.equal = (got, wanted) => {
        if (JSON.stringify(got) !== JSON.stringify(wanted))
            throw new Error(`${JSON.stringify(got)} instead of ${JSON.stringify(wanted)}\n${JSON.stringify(clients.map(c => c.told))}`);
    };
    const record = (who, events) => {
        who.told = [];
        who.came = [];
        for (const event of events)
            who.on(event, context => who.told.push([event, context]));
        who.on("publication", context => who.came.push(context.data));
        who.all = event => who.told.filter(([name]) => name === event).map(([, context]) => context);
        who.codes = event => who.all(event).map(context => context.code);
        return who;
    };
    t.client = (more = {}, place = places.calm) => {
        const endpoint = `${way === "websocket" ? place.wsUrl : place.url}/connection/${way}`;
        const c = new Centrifuge([{ transport: way, endpoint }],
                                 { ...options, emulationEndpoint: `${place.url}/emulation`, minReconnectDelay: 10,
                                   maxReconnectDelay: 50, ...more });
        clients.push(c);
        return record(c, ["connecting", "connected", "disconnected", "error", "subscribed", "unsubscribed", "join"]);
    };
    t.connected = async (more, place) => {
        const c = t.client(more, place);
        c.connect();
        await c.ready(20000);
        return c;
    };
    t.as = async (user, more, place) => t.connected({ token: await t.token({ sub: user }), ...more }, place);
    t.subscription = (c, channel, more) => {
        const sub = c.newSubscription(channel, more);
        record(sub, ["subscribed", "unsubscribed", "subscribing", "join", "leave", "error"]);
        sub.subscribe();
        return sub;
    };
    t.subscribed = async (c, channel, more) => {
        const sub = t.subscription(c, channel, more);
        await sub.ready(20000);
        return sub;
    };
    t.publish = (channel, data, more) => t.api("publish", { channel, data, ...more });
    t.close = () => clients.forEach(c => c.disconnect());
    return t;
}

const upTo = n => Array.from({ length: n }, (_, i) => i + 1);

export const scenarios = {
    "is nobody without a token, and who its token says with one": async t => {
        const channel = t.fresh("who");
        const [nobody, ann] = [await t.connected(), await t.connected({ token: await t.token({ sub: "ann", info: { n: 1 } }) })];
        await t.subscribed(nobody, channel);
        await t.subscribed(ann, channel);
        const { clients } = await ann.presence(channel);
        t.equal(clients[ann.all("connected")[0].client].connInfo, { n: 1 });
        t.equal(Object.values(clients).map(({ user }) => user).sort(), ["", "ann"]);
    },

    "an expired token is renewed, a bad one is final": async t => {
        let asked = 0;
        const getToken = () => { asked++; return t.token({ sub: "ann" }); };
        const late = await t.connected({ token: await t.token({ sub: "ann" }, -10), getToken });
        t.equal([asked, late.all("error")[0].error.code], [1, 109]);
        const bad = t.client({ token: `${await t.token({ sub: "ann" })}x` });
        bad.connect();
        await t.until(() => bad.all("disconnected").length, "it ends");
        t.equal(bad.codes("disconnected"), [3500]);
    },

    "tokens are refreshed while it is connected, of the connection and of a channel": async t => {
        const channel = t.fresh("$private");
        const asked = { token: 0, channel: 0 };
        const c = await t.connected({
            token: await t.token({ sub: "ann" }, 1),
            getToken: () => t.token({ sub: "ann" }, ++asked.token < 3 ? 1 : 3600),
        });
        const sub = await t.subscribed(c, channel, {
            token: await t.token({ sub: "ann", channel }, 1),
            getToken: () => t.token({ sub: "ann", channel }, ++asked.channel < 3 ? 1 : 3600),
        });
        await t.until(() => asked.token === 3 && asked.channel === 3, "both are renewed three times");
        await t.publish(channel, 1);
        await t.until(() => sub.came.length === 1, "it is still there");
        t.equal([c.all("connected").length, sub.all("subscribed").length, sub.all("unsubscribed").length], [1, 1, 0]);
        t.equal([c.all("error").length, sub.all("error").length], [0, 0]);
    },

    "subscribes, unsubscribes and comes again": async t => {
        const channel = t.fresh("again");
        const c = await t.as("ann");
        const sub = await t.subscribed(c, channel);
        await t.publish(channel, 1);
        await t.until(() => sub.came.length === 1, "it comes");
        sub.unsubscribe();
        t.equal((await c.presenceStats(channel)).numClients, 0);
        await t.publish(channel, 2);
        sub.subscribe();
        await sub.ready(20000);
        await t.publish(channel, 3);
        await t.until(() => sub.came.length === 2, "it comes again");
        t.equal(sub.came, [1, 3]);
    },

    "keeps the order in many channels, commands in one frame": async t => {
        const channels = upTo(20).map(() => t.fresh("many"));
        const [a, b] = [await t.as("ann"), await t.as("bob")];
        a.startBatching();
        const subs = channels.map(channel => t.subscription(a, channel));
        a.stopBatching();
        await Promise.all(subs.map(sub => sub.ready(20000)));
        b.startBatching();
        const done = upTo(5).flatMap(n => channels.map(channel => b.publish(channel, n)));
        b.stopBatching();
        await Promise.all(done);
        for (const sub of subs) {
            await t.until(() => sub.came.length === 5, "all five come");
            t.equal(sub.came, upTo(5));
        }
    },

    "recovers what it missed while the wire was cut": async t => {
        const channel = t.fresh("recover");
        const c = await t.as("ann");
        const sub = await t.subscribed(c, channel, { recoverable: true });
        await t.publish(channel, 1);
        await t.until(() => sub.came.length === 1, "the first comes");
        await t.call("relay", "calm", "cut");
        await t.until(() => c.all("connecting").length === 2, "the cut is noticed");
        for (const n of upTo(10).slice(1))
            await t.publish(channel, n);
        await t.until(() => sub.came.length === 10, "all come");
        t.equal(sub.came, upTo(10));
        t.equal(sub.all("subscribed").at(-1).recovered, true);
    },

    "is told when not all can be recovered: trimmed, or of another epoch": async t => {
        const channel = t.fresh("short:x");
        const c = await t.as("ann");
        const sub = await t.subscribed(c, channel, { recoverable: true });
        await t.publish(channel, 1);
        await t.until(() => sub.came.length === 1, "the first comes");
        c.disconnect();
        for (const n of upTo(6))
            await t.publish(channel, n);
        c.connect();
        await t.until(() => sub.all("subscribed").length === 2, "it is back");
        const { wasRecovering, recovered } = sub.all("subscribed")[1];
        t.equal([wasRecovering, recovered, sub.came.length], [true, false, 1]);
        const other = await t.subscribed(await t.as("bob"), channel, { recoverable: true, since: { offset: 7, epoch: "otherone" } });
        t.equal([other.all("subscribed")[0].wasRecovering, other.all("subscribed")[0].recovered], [true, false]);
    },

    "pages through history both ways": async t => {
        const channel = t.fresh("history");
        const c = await t.as("ann");
        for (const n of upTo(6))
            await t.publish(channel, n);
        const { offset, epoch } = await c.history(channel);
        const page = async more => (await c.history(channel, more)).publications.map(p => p.data);
        t.equal([offset, await page({ limit: 2 })], [6, [1, 2]]);
        t.equal(await page({ limit: 2, since: { offset: 2, epoch } }), [3, 4]);
        t.equal(await page({ limit: -1, since: { offset: 4, epoch } }), [5, 6]);
        t.equal(await page({ limit: 2, reverse: true }), [6, 5]);
        t.equal(await page({ limit: 2, reverse: true, since: { offset: 5, epoch } }), [4, 3]);
    },

    "tells who is there, comes and goes": async t => {
        const channel = t.fresh("there");
        const [ann, bob] = [await t.as("ann"), await t.as("bob")];
        const sub = await t.subscribed(ann, channel, { joinLeave: true });
        const other = await t.subscribed(bob, channel);
        await t.until(() => sub.all("join").length === 2, "both join");
        t.equal(sub.all("join").map(({ info }) => info.user), ["ann", "bob"]);
        const { numClients, numUsers } = await ann.presenceStats(channel);
        t.equal([numClients, numUsers], [2, 2]);
        t.equal(Object.values((await ann.presence(channel)).clients).map(({ user }) => user).sort(), ["ann", "bob"]);
        other.unsubscribe();
        await t.until(() => sub.all("leave").length === 1, "one leaves");
        t.equal([sub.all("leave")[0].info.user, other.all("join").length], ["bob", 0]);
    },

    "is in the channels of its token, with their data, and recovers them": async t => {
        const channel = t.fresh("server");
        const c = await t.connected({ token: await t.token({ sub: "ann", subs: { [channel]: { data: { hello: 1 } } } }) });
        t.equal([c.all("subscribed")[0].channel, c.all("subscribed")[0].data], [channel, { hello: 1 }]);
        await t.publish(channel, 1);
        await t.until(() => c.came.length === 1, "it comes");
        await t.call("relay", "calm", "cut");
        await t.until(() => c.all("connecting").length === 2, "the cut is noticed");
        for (const n of upTo(5).slice(1))
            await t.publish(channel, n);
        await t.until(() => c.came.length === 5, "all come");
        t.equal(c.came, upTo(5));
        t.equal(c.all("subscribed")[1].recovered, true);
    },

    "is put into a channel by the API, and again where it was when it comes back": async t => {
        const [channel, user] = [t.fresh("api"), t.fresh("user")];
        await t.publish(channel, 1);
        const { result: { epoch } } = await t.publish(channel, 2);
        const c = await t.as(user);
        const invite = more => t.api("subscribe", { user, channel, ...more });
        t.equal(await invite({ data: { hello: 1 }, info: { room: 7 }, recover_since: { offset: 1, epoch } }), { result: {} });
        await t.until(() => c.came.length === 1, "it has what it missed");
        t.equal([c.all("subscribed")[0].data, c.all("subscribed")[0].recovered, c.came], [{ hello: 1 }, true, [2]]);
        t.equal(Object.values((await c.presence(channel)).clients)[0].chanInfo, { room: 7 });
        await t.publish(channel, 3);
        await t.until(() => c.came.length === 2, "and what comes");
        await t.call("relay", "calm", "cut");
        await t.until(() => c.all("connected").length === 2, "it is back");
        await t.publish(channel, 4);
        t.equal(c.all("unsubscribed").map(context => context.channel), [channel]); /* its token does not name it */
        await invite({ recover_since: { offset: 3, epoch } });
        await t.publish(channel, 5);
        await t.until(() => c.came.length === 4, "nothing is lost");
        t.equal(c.came, [2, 3, 4, 5]);
        t.equal(await t.api("unsubscribe", { user, channel }), { result: {} });
        await t.until(() => c.all("unsubscribed").length === 2, "it is taken out");
    },

    "is taken out, refreshed, expired and sent away by the API": async t => {
        const [channel, user] = [t.fresh("out"), t.fresh("user")];
        const c = await t.as(user);
        const sub = await t.subscribed(c, channel);
        const about = more => ({ user, client: c.all("connected").at(-1).client, ...more });
        await t.api("unsubscribe", about({ channel }));
        await t.until(() => sub.all("unsubscribed").length === 1, "it is out, and stays so");
        t.equal([sub.codes("unsubscribed"), sub.state], [[2000], "unsubscribed"]);
        t.equal(await t.api("refresh", about({ expire_at: 4000000000 })), { result: {} });
        await t.api("refresh", about({ expired: true }));
        await t.until(() => c.all("connected").length === 2, "it comes again, since its token is good");
        await t.api("disconnect", about({ disconnect: { code: 4000, reason: "come again" } }));
        await t.until(() => c.all("connected").length === 3, "it comes again");
        if (t.way !== "websocket") { /* which has no session */
            await t.api("disconnect", { user, session: "another" });
            await t.api("disconnect", { user, session: c._session, disconnect: { code: 4001 } });
            await t.until(() => c.all("connected").length === 4, "it is meant by its session");
        }
        t.equal(c.codes("connecting").slice(1), t.way === "websocket" ? [3005, 4000] : [3005, 4000, 4001]);
        await t.api("disconnect", about());
        await t.until(() => c.all("disconnected").length === 1, "it stays away");
        t.equal(c.codes("disconnected"), [3503]);
    },

    "errors have their codes: 102, 103, 105, 108": async t => {
        const user = t.fresh("user");
        const [channel, other] = [t.fresh("server"), t.fresh("mine")];
        const c = await t.connected({ token: await t.token({ sub: user, channels: [channel] }) });
        const refused = async name => {
            const sub = t.subscription(c, name);
            await t.until(() => sub.all("unsubscribed").length === 1, "it is refused");
            return sub.codes("unsubscribed")[0];
        };
        t.equal(await refused("nowhere:x"), 102);
        t.equal(await refused("closed:x"), 103);
        t.equal(await refused("$private"), 103);
        t.equal(await refused(channel), 105); /* the server subscribed it already */
        const failed = promise => promise.then(() => 0, error => error.code);
        t.equal(await failed(c.publish("closed:x", 1)), 103);
        t.equal(await failed(c.history("closed:x")), 108);
        t.equal(await failed(c.presence("closed:x")), 108);
        t.equal(await failed(c.rpc("nothing", {})), 108);
        await t.subscribed(c, other);
        t.equal(c.all("connected").length, 1);
    },

    "who reads too slowly is closed, and then has all of it": async t => {
        const channel = t.fresh("big:x");
        const c = await t.as("ann");
        const sub = await t.subscribed(c, channel, { recoverable: true });
        await t.call("relay", "calm", "hold");
        /* More than all sockets on the way hold together; who is closed must soon read it. */
        await t.call("flood", channel, 4, 1900000);
        await t.call("relay", "calm", "release");
        await t.until(() => sub.came.length >= 4, "all come");
        t.equal(sub.came.map(({ n }) => n), upTo(4));
        t.equal(c.codes("connecting")[1], t.way === "websocket" ? 3008 : 1); /* a stream is cut: it has no last word then */
    },

    "a drain says 3001: it goes to another server, where the channel is another": async t => {
        const c = await t.as("ann", {}, await t.call("found"));
        const channel = t.fresh("drain");
        const sub = await t.subscribed(c, channel, { recoverable: true });
        await t.call("api_of", "mortal", "publish", { channel, data: 1 });
        await t.until(() => sub.came.length === 1, "it comes");
        t.equal(await t.call("succeed", false), 0);
        await t.until(() => sub.all("subscribed").length === 2, "it is there");
        t.equal([c.codes("connecting")[1], sub.all("subscribed")[1].wasRecovering, sub.all("subscribed")[1].recovered], [3001, true, false]);
        await t.call("api_of", "mortal", "publish", { channel, data: 2 });
        await t.until(() => sub.came.length === 2, "the other's comes");
        await t.call("end");
    },

    "a drain says 3001: it goes to the server that has the store then, and misses nothing": async t => {
        const c = await t.as("ann", {}, await t.call("found"));
        const channel = t.fresh("heir");
        const sub = await t.subscribed(c, channel, { recoverable: true });
        await t.call("api_of", "mortal", "publish", { channel, data: 1 });
        await t.until(() => sub.came.length === 1, "it comes");
        t.equal(await t.call("succeed", true), 0);
        await t.call("api_of", "mortal", "publish", { channel, data: 2 });
        await t.until(() => sub.came.length === 2, "the other's comes");
        t.equal([c.codes("connecting")[1], sub.all("subscribed").at(-1).recovered, sub.came], [3001, true, [1, 2]]);
        await t.call("end");
    },

    "pings that do not come: it comes back by itself and misses nothing": async t => {
        const channel = t.fresh("ping");
        const c = await t.as("ann", { maxServerPingDelay: 1000, timeout: 2000 }, t.places.pinging);
        const sub = await t.subscribed(c, channel, { recoverable: true });
        await t.call("relay", "pinging", "silence", false, true);
        await t.call("relay", "pinging", "speak"); /* for the next connection */
        await t.call("api_of", "pinging", "publish", { channel, data: 1 });
        await t.until(() => c.all("connecting").length === 2, "the silence is noticed");
        await t.until(() => sub.came.length === 1, "it is back");
        t.equal([c.all("connecting")[1].code, c.all("connecting")[1].reason, sub.all("subscribed").at(-1).recovered], [2, "no ping", true]);
    },

    "pongs that do not come: the server ends it with 3012, and it comes back": async t => {
        /* It comes back when there is a voice again. */
        const c = await t.as("ann", { minReconnectDelay: 1000, maxReconnectDelay: 1000 }, t.places.pinging);
        await t.call("relay", "pinging", "silence", true, false);
        await t.until(() => c.all("connecting").length === 2, "the server ends it");
        await t.call("relay", "pinging", "speak");
        await t.until(() => c.all("connected").length === 2, "it is back");
        t.equal([c.all("connecting")[1].code, c.all("connecting")[1].reason], [3012, "no pong"]);
    },

    "deltas make the same payloads, also after a cut": async t => {
        const channel = t.fresh("delta:x");
        const c = await t.as("ann");
        const sub = await t.subscribed(c, channel, { delta: "fossil", recoverable: true });
        const states = upTo(9).map(score => ({ score, team: "reds\n", players: ["ann", "bob", "çid", "𝄞"] }));
        for (const state of states.slice(0, 4))
            await t.publish(channel, state);
        await t.until(() => sub.came.length === 4, "four come");
        await t.call("relay", "calm", "cut");
        await t.until(() => c.all("connecting").length === 2, "the cut is noticed");
        for (const state of states.slice(4))
            await t.publish(channel, state);
        await t.until(() => sub.came.length === 9, "all come");
        t.equal(sub.came, states);
    },

    "a filter of tags lets through what it says": async t => {
        const channel = t.fresh("tags:x");
        const sub = await t.subscribed(await t.as("ann"), channel, { tagsFilter: { key: "symbol", cmp: "eq", val: "TEA" } });
        for (const n of upTo(6))
            await t.publish(channel, n, { tags: { symbol: n % 2 ? "TEA" : "RUM" } });
        await t.until(() => sub.came.length === 3, "three come");
        t.equal(sub.came, [1, 3, 5]);
    },
};
