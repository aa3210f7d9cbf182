/* SPDX-License-Identifier: MIT */
/* A room with one screen: who is in it watches (play.js), or is what is watched (send.js). ?room=NAME is another. */
import { tidyName } from "/apps/here.js";
import { byId, randomHex, showState } from "/wire.js";
import { remember, remembered } from "../state.js";
import { testPicture } from "./picture.js";
import { Player } from "./play.js";
import { Broadcast, typeFor } from "./send.js";

const asked = new URLSearchParams(location.search).get("room") ?? "";
const room = asked.replace(/[^\w-]/g, "").slice(0, 40) || "stage";
const video = byId("video");
let player = null;
let broadcast = null;
let asking = false;         /* the browser for a camera */

const SOURCES = {
    camera: () => navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 640 }, height: { ideal: 360 },
                                                                 frameRate: { ideal: 25 } }, audio: true }),
    microphone: () => navigator.mediaDevices.getUserMedia({ audio: true }),
    screen: () => navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { ideal: 15 } }, audio: true }),
    picture: async () => testPicture(),
};

const seconds = ms => Number.isFinite(ms) ? `${(ms / 1000).toFixed(2)} s` : "–";
const CURTAINS = {
    nothing: () => "Nobody is on air.",
    ended: head => `${head.name} has ended the broadcast.`,
    silent: head => `Nothing comes from ${head.name} at the moment.`,
    cannot: head => `This browser does not play ${head.type}.`,
    playing: head => head.type.startsWith("audio") ? `${head.name} is to be heard.` : "",
};

const EXCUSES = {
    NotAllowedError: "The browser was not allowed to.",
    NotFoundError: "There is no such device here: the test picture needs none.",
};

function set(id, text) {
    if (byId(id).textContent !== text)
        byId(id).textContent = text;
}

/* How things stand: of a player or of a broadcast. */
function show({ state, head, behind, watching, pieces, first, lost, doubled }) {
    const onAir = state === "playing";
    const curtain = CURTAINS[state](head);
    byId("screen").dataset.show = state;
    set("curtain", curtain);
    byId("curtain").hidden = curtain === "";
    byId("sign").hidden = !onAir;
    byId("behind").hidden = !onAir || !Number.isFinite(behind);
    set("behind", seconds(behind));
    set("delay", seconds(behind));
    set("watching", onAir ? String(watching ?? 0) : "–");
    set("pieces", pieces === undefined ? "–" : pieces.toLocaleString("en"));
    Object.assign(byId("pieces").dataset, { first, last: head?.seq });
    set("lost", lost === undefined ? "–" : String(lost));
    set("doubled", doubled === undefined ? "–" : String(doubled));
    set("who", !onAir ? "" : broadcast ? "You are on air" : `${head.name} is on air`);
    byId("sound").disabled = !onAir || Boolean(broadcast) || !/opus/.test(head.type);
    byId("large").disabled = !onAir || !document.fullscreenEnabled;
    set("start", onAir && !broadcast ? "Take over" : "Go live");
}

/* The badge is of the one channel that is in use. */
function follow(channel) {
    const shows = () => (broadcast ?? player)?.channel === channel && showState(channel.state);
    channel.on("state", shows);
    shows();
}

function watch() {
    player = new Player(video, room, ({ state, head, behind, counts }) =>
        show({ state, head, behind, watching: head?.watching, pieces: counts.played, ...counts }));
    follow(player.channel);
}

async function begin() {
    const name = tidyName(byId("name").value) || "Somebody";
    remember("stream-name", name);
    byId("error").textContent = "";
    asking = true;
    try {
        const stream = await SOURCES[byId("source").value]();
        if (!globalThis.MediaRecorder?.isTypeSupported(typeFor(stream)))
            throw new Error(`This browser does not record ${typeFor(stream)}.`);
        player?.close();
        player = null;
        setSound(false);
        video.srcObject = stream;
        broadcast = new Broadcast(room, stream, name, {
            change({ type, behind, watching, seq }) {
                if (broadcast)
                    show({ state: "playing", head: { name, type, seq: seq - 1 }, behind, watching, pieces: seq });
            },
            error: text => { byId("error").textContent = text; },
            end: comeDown,
        });
        follow(broadcast.channel);
        await video.play();
    } catch (error) {
        byId("error").textContent = EXCUSES[error.name] ?? error.message;
    }
    asking = false;
    dress();
}

function comeDown(reason) {
    broadcast = null;
    video.srcObject = null;
    byId("error").textContent = reason;
    dress();
    watch();
}

function dress() {
    const isUp = Boolean(broadcast);
    const had = document.activeElement;
    byId("start").hidden = isUp;
    byId("stop").hidden = !isUp;
    byId("name").disabled = byId("source").disabled = isUp;
    if (had === byId("start") || had === byId("stop"))
        byId(isUp ? "stop" : "start").focus();
}

function setSound(on) {
    video.muted = !on;
    byId("sound").setAttribute("aria-pressed", String(on));
    byId("sound").textContent = on ? "Sound off" : "Sound on";
}

byId("go").addEventListener("submit", event => {
    event.preventDefault();
    if (!asking && !broadcast)
        begin();
});
byId("stop").addEventListener("click", () => broadcast?.stop());
byId("sound").addEventListener("click", () => setSound(video.muted));
byId("large").addEventListener("click", () => video.requestFullscreen());
byId("name").value = remembered("stream-name") || `Guest ${randomHex(2)}`;
byId("room").textContent = room;
byId("second").href = `?room=${room}`;
document.title = `${room} · Live streaming · Duet`;
watch();
