// SPDX-License-Identifier: LGPL-2.1-or-later
// The rules for cockpit/*.js; the packages are where NODE_PATH says, which imports do not look at.
import { createRequire } from "node:module";

const js = createRequire(`${process.env.NODE_PATH}/`)("@eslint/js");
const browser = ["cockpit", "document", "window", "navigator", "localStorage", "setTimeout", "queueMicrotask", "EventTarget", "CustomEvent"];

export default [
    js.configs.recommended,
    {
        languageOptions: { ecmaVersion: 2024, sourceType: "module", globals: Object.fromEntries(browser.map(name => [name, "readonly"])) },
        rules: {
            "eqeqeq": "error", "no-var": "error", "prefer-const": "error", "semi": ["error", "always", { omitLastInOneLineBlock: true, omitLastInOneLineClassBody: true }], "quotes": ["error", "double", { avoidEscape: true }],
            "no-implicit-globals": "error", "no-eval": "error", "no-implied-eval": "error", "no-shadow": "error", "no-unused-private-class-members": "error",
            "max-len": ["error", { code: 160 }], "max-lines": ["error", 350], "max-lines-per-function": ["error", 60], "require-await": "error",
            "no-restricted-properties": ["error", ...["innerHTML", "outerHTML", "insertAdjacentHTML"].map(property =>
                ({ property, message: "Text is put into the document as text." }))],
        },
    },
    { files: ["**/po.*.js"], rules: { "max-len": "off" } },
];
