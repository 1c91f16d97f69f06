"""Plays the cameras of the end-to-end tests: Aravis' fake GigE camera, or an RTSP server. Runs until its standard input ends.

  fake_cameras.py gige ADDRESS           a GigE Vision camera of 512x512 pixels
  fake_cameras.py rtsp LAUNCH [PORT]     an RTSP server with the stream of a GStreamer pipeline; prints its port
"""
import sys
import threading

import gi

kind = sys.argv[1]
if kind == "gige":
    gi.require_version("Aravis", "0.8")
    from gi.repository import Aravis

    camera = Aravis.GvFakeCamera.new(sys.argv[2], "GV01")
    print("running" if camera.is_running() else "failed", flush=True)
    sys.stdin.read()
else:
    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtspServer

    Gst.init(None)
    server = GstRtspServer.RTSPServer.new()
    server.set_address("127.0.0.1")
    server.set_service(sys.argv[3] if len(sys.argv) > 3 else "0")
    factory = GstRtspServer.RTSPMediaFactory.new()
    factory.set_launch(sys.argv[2])
    factory.set_shared(True)
    server.get_mount_points().add_factory("/camera", factory)
    server.attach(None)
    print(server.get_bound_port(), flush=True)
    loop = GLib.MainLoop()
    threading.Thread(target=lambda: (sys.stdin.read(), loop.quit()), daemon=True).start()
    loop.run()
