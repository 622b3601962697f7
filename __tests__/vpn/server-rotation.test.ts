import { testRotations } from "../support/vpn-rotation";

testRotations(["server"]);
