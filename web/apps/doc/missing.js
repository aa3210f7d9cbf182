/* SPDX-License-Identifier: MIT */
/* What is bundled of npm may not be there: then doc.js does not start, and everything else of the server is as it was. */
import { byId, showState } from "/wire.js";

import("./yjs.js").catch(() => {
    byId("missing").hidden = false;
    byId("missing").textContent = "Yjs is not here, so nothing can be written. It comes from npm when Duet is built: with Node 18 "
        + "and npm on the machine, `make` builds it in.";
    showState("ended");
});
