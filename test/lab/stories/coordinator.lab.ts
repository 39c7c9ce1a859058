import { coordinatorStory } from '../coordinator-story.ts'
import { describeStory } from '../story-suite.ts'

describeStory('coordinator', 'the work of the primary moves', coordinatorStory)
