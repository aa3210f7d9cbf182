/* SPDX-License-Identifier: MIT */
/* What one can react with, drawn here: not every machine has a font with pictures. Squares of 24, filled even-odd. */
export const signs = [
    { name: "Bravo", tint: "--tint-0",
      path: "M9 4 20 2v13.5a3.4 2.8 0 1 1-2-2.6V7l-7 1.3v9.9a3.4 2.8 0 1 1-2-2.6z" },
    { name: "Heart", tint: "--tint-5",
      path: "M12 21C5 15 2 12 2 8a5 5 0 0 1 10-1.5A5 5 0 0 1 22 8c0 4-3 7-10 13z" },
    { name: "Smile", tint: "--tint-3",
      path: "M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20zM7 9a1.5 1.5 0 1 1 3 0 1.5 1.5 0 0 1-3 0zm7 0a1.5 1.5 0 1 1 3 0"
          + " 1.5 1.5 0 0 1-3 0zM6.5 13h11a5.5 5.5 0 0 1-11 0z" },
    { name: "Star", tint: "--tint-1",
      path: "m12 2 3 7 7 .6-5.4 4.8L18.4 22 12 17.9 5.6 22l1.8-7.6L2 9.6 9 9z" },
];
