/* SPDX-License-Identifier: MIT */
/* The slides. They are with the host alone, and so is what is right. */
export const deck = [
    { title: "Two voices, one wire",
      lines: ["A short talk about WebSockets.", "Clap, raise a hand, answer: everybody in step."] },
    { title: "Where do you listen from?", lines: [],
      ask: { question: "Where do you listen from?", options: ["A desk", "A sofa", "A train", "Elsewhere"] } },
    { title: "One question opens it",
      lines: ["An HTTP request asks for the upgrade.", "The answer is 101, and from then on both may speak."] },
    { title: "Quiz: which status is it?", lines: [],
      ask: { question: "Which status opens a WebSocket?", options: ["200", "101", "204", "426"], right: 1,
             seconds: 20 } },
    { title: "Frames are small",
      lines: ["Two bytes of head for a short message.", "Four more, the mask, from a browser."] },
    { title: "Quiz: who masks?", lines: [],
      ask: { question: "Who masks what it sends?", options: ["The client", "The server", "Both", "Neither"], right: 0,
             seconds: 20 } },
    { title: "Thank you", lines: ["Questions? Raise your hand."] },
];
