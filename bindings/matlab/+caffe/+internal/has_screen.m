function answer = has_screen()
%HAS_SCREEN  Whether figures can be shown.
if caffe.internal.is_octave()
  answer = have_window_system();
else
  answer = usejava('awt');
end
end
