import { testRotations } from "../support/vpn-rotation";

testRotations(["both", "node"]);
